"""The history's file, in all the states in which a user may have it."""

import sqlite3
import subprocess

import pytest
from history_results import old_history, result

from edgeprune import history
from edgeprune.errors import ConfigError

pytestmark = pytest.mark.usefixtures("home")


def statements(file, *lines):
    database = sqlite3.connect(file)
    with database:
        for line in lines:
            database.execute(line)
    database.close()


def test_the_file_is_in_write_ahead_mode_and_has_the_index(home):
    history.record(result())
    database = sqlite3.connect(home / "history.sqlite")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    plan = database.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM runs WHERE model_sha256 = ? AND board = ? AND device = ? "
        "ORDER BY id DESC",
        ("a", "b", "c"),
    ).fetchall()
    database.close()
    (step,) = [row[-1] for row in plan]
    assert "USING INDEX runs_by_model_board_device" in step


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
        assert "\n" not in str(caught.value) and "sqlalche.me" not in str(caught.value)
    assert (home / "history.sqlite").read_bytes() == content


@pytest.mark.parametrize(
    "lines, said",
    [
        (["PRAGMA user_version = 8"], "version 8, expected at most 0007"),
        (["CREATE TABLE other (x)"], "tables that are no history of edgeprune"),
        (["CREATE TABLE runs (id INTEGER)"], "tables that are no history of edgeprune"),
        (["CREATE TABLE other (x)", "PRAGMA user_version = 8"], "version 8"),
    ],
)
def test_a_file_that_is_no_history_of_ours_is_refused_and_left_alone(home, lines, said):
    home.mkdir(parents=True)
    file = home / "history.sqlite"
    statements(file, *lines)
    before = contents(file)
    for attempt in (history.runs, lambda: history.record(result())):
        with pytest.raises(ConfigError, match=said):
            attempt()
    assert contents(file) == before


def contents(file):
    database = sqlite3.connect(file)
    try:
        return [*database.iterdump(), database.execute("PRAGMA user_version").fetchone()]
    finally:
        database.close()


def test_a_data_folder_that_is_a_file_is_one_line(home):
    home.parent.mkdir(parents=True)
    home.write_text("")
    with pytest.raises(ConfigError, match="history cannot be used"):
        history.runs()


def damage(file, how):
    file.parent.mkdir(parents=True, exist_ok=True)
    if how == "folder":
        file.mkdir()
    elif how == "no database":
        file.write_bytes(b"no database at all" * 100)
    elif how == "other version":
        history.record(result())
        statements(file, "PRAGMA user_version = 99")
    elif how == "other columns":
        statements(file, "CREATE TABLE runs (id INTEGER)", "PRAGMA user_version = 1")
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


@pytest.fixture
def read_only(home):
    """Makes the data folder a read-only disk."""
    mounts = []

    def mount():
        for arguments in (["--bind", home, home], ["-o", "remount,ro,bind", home]):
            command = ["mount", *arguments]
            if subprocess.run(command, capture_output=True, timeout=10).returncode:
                pytest.skip("this user mounts nothing here")
            mounts[:] = [home]

    yield mount
    for folder in mounts:
        subprocess.run(["umount", folder], check=True, timeout=10)


def test_a_history_on_a_read_only_disk_is_read(read_only):
    history.record(result())
    read_only()
    assert len(history.runs()) == 1
    assert history.trouble() != ""


def test_an_old_history_on_a_read_only_disk_is_read_as_it_is(home, read_only):
    home.mkdir(parents=True)
    file = home / "history.sqlite"
    old_history(file, 2)
    read_only()
    assert [run.id for run in history.runs()] == [2, 1]
    assert len(history.alike(result())) == 2
