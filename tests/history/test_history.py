"""What the history promises, on both engines."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from history_results import result

from edgeprune import __version__, history
from edgeprune.errors import ConfigError
from edgeprune.history import database, queries, sqlite_file
from edgeprune.history.place import place

CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("engine")


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


def test_runs_of_one_model_on_one_device_are_found_among_others():
    numbers = [history.record(result()) for _ in range(2)]
    for other in (result(board="rpi5"), result(device="other-pi")):
        history.record(other)
    assert [run.id for run in history.alike(result())] == numbers[::-1]
    assert [run.id for run in history.alike(result(), limit=1)] == numbers[1:]


def test_an_empty_history_is_an_empty_list_and_nothing_is_made_to_read_it(home):
    assert history.runs() == [] and history.alike(result()) == []
    assert not home.exists()


def test_a_run_that_does_not_exist_is_named():
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"history.*: no run has the number 7"):
            history.run(7)
        history.record(result())


def test_a_limit_below_one_is_refused():
    with pytest.raises(ConfigError, match="limit must be 1 or more, got 0"):
        history.runs(limit=0)


def test_a_result_that_is_not_valid_is_not_recorded():
    with pytest.raises(ConfigError, match="board"):
        history.record(msgspec.structs.replace(result(), board=None))
    assert history.runs() == []


def test_processes_that_start_together_on_no_history_lose_no_run(engine, home):
    """Four writers race to make the history and then write twenty runs each."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from history_results import result\n"
        "from edgeprune import history\n"
        "sys.stdin.readline()\n"
        "for _ in range(20): history.record(result(device=sys.argv[2]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(CHECKOUT / "tests"), str(number)],
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
        _, complaints = writer.communicate(timeout=300)
        assert writer.returncode == 0, complaints.decode()
    runs = history.runs(limit=1000)
    assert len(runs) == 80
    assert len({run.id for run in runs}) == 80
    assert sorted({run.device for run in runs}) == ["0", "1", "2", "3"]


def test_a_writer_that_dies_leaves_no_half_run():
    history.record(result())
    with pytest.raises(KeyboardInterrupt), database.writing(place()) as connection:
        connection.exec_driver_sql("DELETE FROM runs")
        raise KeyboardInterrupt
    assert len(history.runs()) == 1


def test_reading_waits_for_no_writer():
    history.record(result())
    with database.writing(place()) as connection:
        connection.exec_driver_sql("DELETE FROM runs")
        assert len(history.runs()) == 1
        assert [run.id for run in history.alike(result())] == [1]
    assert history.runs() == []


def test_a_damaged_run_is_named():
    number = history.record(result())
    with database.writing(place()) as connection:
        connection.exec_driver_sql("UPDATE runs SET result = '{'")
    for read in (history.runs, lambda: history.run(number), lambda: history.alike(result())):
        with pytest.raises(ConfigError, match=f"run {number} is damaged"):
            read()


def test_exactly_the_same_result_is_recorded_once_where_that_is_asked():
    assert history.record_once(result()) == (1, True)
    assert history.record_once(result()) == (1, False)
    assert history.record_once(result(device="other")) == (2, True)


def test_who_comes_while_the_history_is_made_waits_and_finds_it_made():
    with ThreadPoolExecutor(1) as pool:
        with database.writing(place()):
            other = pool.submit(history.record, result())
            with pytest.raises(TimeoutError):
                other.result(timeout=1)
        assert other.result(timeout=300) == 1


def test_two_that_record_the_same_result_at_once_record_it_once():
    with ThreadPoolExecutor(1) as pool:
        with database.writing(place()) as connection:
            queries.inserted(connection, result())
            other = pool.submit(history.record_once, result())
            with pytest.raises(TimeoutError):
                other.result(timeout=1)  # it waits for us
        assert other.result(timeout=300) == (1, False)
    assert len(history.runs()) == 1


def test_a_result_that_an_older_edgeprune_wrote_otherwise_is_the_same():
    history.record(result())
    with database.writing(place()) as connection:  # integers where numbers are, other spaces
        connection.exec_driver_sql(
            """UPDATE runs SET result = replace(result, '"sparsity": 0.0', '"sparsity" : 0')"""
        )
    assert history.record_once(result()) == (1, False)


def test_a_damaged_run_keeps_no_other_from_being_recorded():
    history.record(result())
    with database.writing(place()) as connection:
        connection.exec_driver_sql("UPDATE runs SET result = '{'")
    assert history.record_once(result()) == (2, True)


def test_a_history_that_takes_runs_is_no_trouble_and_is_not_changed(home):
    assert history.trouble() == "" and not home.exists()
    history.record(result())
    assert history.trouble() == "" and len(history.runs()) == 1
    assert history.record(result()) == 2  # the probe took no number


def test_a_history_that_another_program_holds_is_told_before(engine, monkeypatch):
    monkeypatch.setattr(database, "PROBE_TIMEOUT_S", 0.2)
    history.record(result())
    lock = "LOCK TABLE runs IN EXCLUSIVE MODE" if engine == "postgres" else "SELECT 1"
    with database.writing(place()) as holder:
        holder.exec_driver_sql(lock)
        line = history.trouble()
        assert "history cannot be used: " in line and "\n" not in line
        assert ("lock timeout" if engine == "postgres" else "database is locked") in line
    assert history.trouble() == ""


def test_a_history_of_a_newer_edgeprune_is_one_line_and_is_left_alone(engine):
    history.record(result())
    with database.writing(place()) as connection:
        connection.exec_driver_sql("UPDATE edgeprune_version SET version_num = '0099'")
    for attempt in (history.runs, lambda: history.record(result())):
        with pytest.raises(ConfigError) as caught:
            attempt()
        line = str(caught.value)
        assert "version 0099" in line and "expected at most 0007" in line and "\n" not in line
    assert history.trouble() == line


def test_names_of_any_script_and_kind_come_back():
    for name in ("größer 数 🐟", "a'b\"c;--", "%s %(x)s :x"):
        history.record(result(device=name))
        assert history.runs(1)[0].device == history.runs(1)[0].result.device.id == name
        assert len(history.alike(result(device=name))) == 1


def test_little_room_is_told_of_a_file_only(engine, monkeypatch):
    monkeypatch.setattr(sqlite_file, "FREE_BYTES", 1 << 62)
    for _ in range(2):
        assert ("make room" in history.trouble()) == (engine == "sqlite")
        history.record(result())
