import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from edgeprune import __version__, history
from edgeprune.errors import ConfigError
from edgeprune.history.result_file import parse_result

CHECKOUT = Path(__file__).resolve().parents[2]


def result(board="rpi4", device="desk-pi"):
    return parse_result(document(board, device))


def document(board="rpi4", device="desk-pi"):
    return {
        "schema": 1,
        "model": {"path": "net.h5", "sha256": "a" * 64, "format": "keras2-h5"},
        "board": board,
        "device": {
            "id": device, "cpu": "a72", "os": "Linux", "agent_version": "1", "runtime_version": "2",
        },
        "recipe": {"name": "größer"},
        "variants": [
            {
                "name": "dense", "file": "dense.tflite", "bytes": 8, "sparsity": 0.0,
                "profiling_only": False, "accuracy": None, "parity": None, "latency_us": None,
                "instructions": None, "energy_uj": None, "peak_memory_bytes": None, "layers": [],
                "sparse_layers_expected": 0, "sparse_layers_run": 0,
            }
        ],
        "comparison": {
            "metric": "latency_us", "speedup": None, "ci95": None, "verdict": "not measurable",
        },
        "validity": {"verdict": "insufficient", "reasons": ["nothing was measured"]},
    }  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "not yet" / "there"
    monkeypatch.setenv("EDGEPRUNE_HOME", str(folder))
    return folder


def test_a_run_comes_back_as_it_was_recorded():
    number = history.record(result())
    (run,) = history.runs()
    assert run == history.run(number)
    assert run.result == result()
    assert (run.id, run.board, run.device) == (number, "rpi4", "desk-pi")
    assert (run.model_sha256, run.model_path) == ("a" * 64, "net.h5")
    assert run.edgeprune_version == __version__
    age = datetime.now(UTC) - datetime.fromisoformat(run.time_utc)
    assert timedelta(seconds=-1) < age < timedelta(minutes=1)


def test_runs_come_newest_first_and_no_more_than_asked():
    for board in ("rpi4", "rpi5", "local"):
        history.record(result(board))
    assert [run.board for run in history.runs(limit=2)] == ["local", "rpi5"]


def test_an_empty_history_is_an_empty_list(home):
    assert history.runs() == []
    assert not home.exists()


def test_a_run_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="no run has the number 7"):
        history.run(7)


def test_a_limit_below_one_is_refused():
    with pytest.raises(ConfigError, match="limit must be 1 or more, got 0"):
        history.runs(limit=0)


def test_a_result_that_is_not_valid_is_not_recorded():
    with pytest.raises(ConfigError, match="board"):
        history.record(msgspec.structs.replace(result(), board=None))
    assert history.runs() == []


def test_processes_that_start_together_on_no_file_lose_no_run(home):
    """Four writers race to make the file and then write twenty runs each."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_history import result\n"
        "from edgeprune import history\n"
        "sys.stdin.readline()\n"
        "for _ in range(20): history.record(result(device=sys.argv[2]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(Path(__file__).parent), str(number)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        _, complaints = writer.communicate(timeout=60)
        assert writer.returncode == 0, complaints.decode()
    runs = history.runs(limit=1000)
    assert len(runs) == 80
    assert len({run.id for run in runs}) == 80
    assert sorted({run.device for run in runs}) == ["0", "1", "2", "3"]
    with sqlite3.connect(home / "history.sqlite") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_writer_that_dies_leaves_no_half_run():
    history.record(result())
    with pytest.raises(KeyboardInterrupt), history._writable() as database:
        database.execute("DELETE FROM runs")
        raise KeyboardInterrupt
    assert len(history.runs()) == 1


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\7" * 900]
)
def test_a_corrupt_file_is_one_line_that_names_it(home, content):
    home.mkdir(parents=True)
    (home / "history.sqlite").write_bytes(content)
    for attempt in (history.runs, lambda: history.record(result())):
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert str(home / "history.sqlite") in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (home / "history.sqlite").read_bytes() == content


def test_a_damaged_run_is_named(home):
    number = history.record(result())
    database = sqlite3.connect(home / "history.sqlite")
    with database:
        database.execute("UPDATE runs SET result = '{'")
    database.close()
    with pytest.raises(ConfigError, match=f"run {number} is damaged"):
        history.runs()


@pytest.mark.parametrize("setup", ["PRAGMA user_version = 2", "CREATE TABLE other (x)"])
def test_a_file_of_another_version_is_refused_and_left_alone(home, setup):
    home.mkdir(parents=True)
    database = sqlite3.connect(home / "history.sqlite")
    with database:
        database.execute(setup)
    database.close()
    with pytest.raises(ConfigError, match="expected 1"):
        history.record(result())


def test_a_data_folder_that_is_a_file_is_one_line(home):
    home.parent.mkdir(parents=True)
    home.write_text("")
    with pytest.raises(ConfigError, match="history cannot be used"):
        history.runs()


def test_exactly_the_same_result_is_recorded_once_where_that_is_asked():
    assert history.record_once(result()) == (1, True)
    assert history.record_once(result()) == (1, False)
    assert history.record_once(result(device="other")) == (2, True)


def test_a_history_that_takes_runs_is_no_trouble_and_is_not_changed(home):
    assert history.trouble() == "" and not home.exists()
    history.record(result())
    assert history.trouble() == "" and len(history.runs()) == 1
    assert history.record(result()) == 2  # the probe took no number


def damage(file, how):
    file.parent.mkdir(parents=True, exist_ok=True)
    if how == "folder":
        file.mkdir()
    elif how == "no database":
        file.write_bytes(b"no database at all" * 100)
    elif how == "other version":
        history.record(result())
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA user_version = 7")
        database.close()
    elif how == "other columns":
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE runs (id INTEGER)")
            database.execute("PRAGMA user_version = 1")
        database.close()
    elif how == "home is a file":
        file.parent.rmdir()
        file.parent.write_text("")


DAMAGE = ["folder", "no database", "other version", "other columns", "home is a file"]


@pytest.mark.parametrize("how", DAMAGE)
def test_trouble_that_record_would_have_is_told_before(home, how):
    damage(home / "history.sqlite", how)
    line = history.trouble()
    assert str(home) in line and "\n" not in line
    with pytest.raises(ConfigError):
        history.record(result())


@pytest.mark.parametrize("target", ["/dev/null", "missing/history.sqlite"])
def test_a_link_to_where_no_history_can_be_is_told_before(home, target):
    home.mkdir(parents=True)
    (home / "history.sqlite").symlink_to(target)
    assert "history.sqlite: the history cannot be used: it " in history.trouble()
    with pytest.raises(ConfigError):
        history.record(result())


def test_a_history_that_another_program_holds_is_told_before(home, monkeypatch):
    monkeypatch.setattr(history, "PROBE_TIMEOUT_S", 0.2)
    history.record(result())
    holder = sqlite3.connect(home / "history.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert "database is locked" in history.trouble()
    holder.close()
    assert history.trouble() == ""


def test_little_room_is_told_before(monkeypatch):
    monkeypatch.setattr(history, "FREE_BYTES", 1 << 62)
    assert "make room" in history.trouble()
    history.record(result())
    assert "make room" in history.trouble()


def test_a_history_on_a_read_only_disk_is_read(home):
    history.record(result())
    for mount in (["--bind", home, home], ["-o", "remount,ro,bind", home]):
        if subprocess.run(["mount", *mount], capture_output=True, timeout=10).returncode:
            pytest.skip("this user mounts nothing here")
    try:
        assert len(history.runs()) == 1
        assert history.trouble() != ""
    finally:
        subprocess.run(["umount", home], check=True, timeout=10)
