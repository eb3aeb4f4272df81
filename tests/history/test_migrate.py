"""Histories of older edgeprunes are brought to the newest schema in place, whole or not at all."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from history_results import old_history, result

from edgeprune import history
from edgeprune.history import database, migrate
from edgeprune.history.farm_tables import METADATA
from edgeprune.history.place import place

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def old(home):
    """A file of three runs, as edgeprunes before migrations wrote it."""
    home.mkdir(parents=True)
    old_history(home / "history.sqlite", 3)
    return home / "history.sqlite"


def state(file):
    """Version by our own count and by Alembic's, and the names of all indices."""
    connection = sqlite3.connect(file)
    try:
        names = dict(connection.execute("SELECT name, type FROM sqlite_master").fetchall())
        versions = []
        if migrate.VERSION_TABLE in names:
            versions = connection.execute(f"SELECT * FROM {migrate.VERSION_TABLE}").fetchall()
        (user_version,) = connection.execute("PRAGMA user_version").fetchone()
        indices = {name for name, kind in names.items() if kind == "index" and "auto" not in name}
        return user_version, versions, indices
    finally:
        connection.close()


OLD = (1, [], set())
INDICES = {
    "runs_by_board_device",
    "runs_by_model_board_device",
    "farm_jobs_to_do",
    "farm_attempts_by_job",
    "farm_events_by_device",
    "farm_changes_by_series",
    "farm_jobs_confirm",
    "farm_jobs_golden",
    "runs_by_path",
}
NEW = (7, [(migrate.HEAD,)], INDICES)


def test_the_newest_migration_is_the_one_that_is_looked_for():
    folder = Path(migrate.__file__).with_name("migrations")
    script = ScriptDirectory(str(folder))
    assert script.get_current_head() == migrate.HEAD
    versions = [each.revision for each in script.walk_revisions()]
    assert versions == [migrate.HEAD, *reversed(migrate._OLDER)]


def is_ours(name, kind, _):
    """Whether Alembic is to compare it: all but its own table."""
    return (kind, name) != ("table", migrate.VERSION_TABLE)


@pytest.mark.usefixtures("engine")
def test_migrations_make_the_tables_that_queries_ask():
    history.record(result())
    with database.writing(place()) as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_ours})
        assert compare_metadata(context, METADATA) == []


@pytest.mark.parametrize("first", [history.runs, lambda: history.record(result())])
def test_the_first_opening_migrates_an_old_file_and_keeps_every_run(old, first):
    assert state(old) == OLD
    first()
    assert state(old) == NEW
    runs = history.runs()
    assert [run.id for run in runs][-3:] == [3, 2, 1]
    assert all(run.result == result() for run in runs)
    assert history.record(result()) == len(runs) + 1


def test_a_migrated_file_and_a_new_one_have_the_same_schema(old, home, monkeypatch):
    history.runs()
    new = home.parent / "new"
    monkeypatch.setenv("EDGEPRUNE_HOME", str(new))
    history.record(result())
    assert schema(old) == schema(new / "history.sqlite")


@pytest.mark.parametrize("table", METADATA.tables)
def test_a_new_file_has_strict_tables(home, table):
    history.record(result())
    assert schema(home / "history.sqlite", table)[2] == 1


def schema(file, table="runs"):
    connection = sqlite3.connect(file)
    try:
        rows = connection.execute("SELECT type, name FROM sqlite_master ORDER BY 1, 2").fetchall()
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        (strict,) = connection.execute(
            "SELECT strict FROM pragma_table_list WHERE name = ?", (table,)
        ).fetchone()
        return rows, [column[1:3] + column[5:] for column in columns], strict
    finally:
        connection.close()


def test_the_probe_before_a_run_changes_no_old_file(old):
    assert history.trouble() == ""
    assert state(old) == OLD


PROGRAM = """
import os, signal, sys
from edgeprune import history
from edgeprune.history import database, migrate

real = migrate.bring_up_to_date

def killed(connection, place):
    real(connection, place)
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "killed":
    database.bring_up_to_date = killed
sys.stdin.readline()
print(len(history.runs()))
"""


def started(how):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )


def test_a_kill_before_the_commit_leaves_the_file_as_it_was(old):
    process = started("killed")
    process.communicate(b"go\n", timeout=300)
    assert process.returncode == -signal.SIGKILL
    assert state(old) == OLD
    assert len(history.runs()) == 3
    assert state(old) == NEW


def test_processes_that_open_an_old_file_together_migrate_it_once(old):
    processes = [started("whole") for _ in range(4)]
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        printed, complaints = process.communicate(timeout=300)
        assert (process.returncode, printed) == (0, b"3\n"), complaints.decode()
    assert state(old) == NEW


def test_a_history_that_is_up_to_date_needs_no_alembic(home):
    history.record(result())
    program = (
        "import sys\nfrom edgeprune import history\nassert len(history.runs()) == 1\n"
        "from history_results import result\nassert history.record(result()) == 2\n"
        "assert 'sqlalchemy' in sys.modules and 'alembic' not in sys.modules"
    )
    folders = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")])
    environment = {**os.environ, "PYTHONPATH": folders}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=300)


@pytest.mark.parametrize("module", ["edgeprune.cli", "edgeprune.history", "edgeprune.pipeline"])
def test_neither_is_imported_where_nothing_is_read_or_written(module):
    program = (
        f"import sys\nimport {module}\n"
        "assert not {'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=300)
