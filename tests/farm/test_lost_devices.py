"""A device that fails a job and does not answer afterwards is told to be lost, and found again."""

from pathlib import Path

import pytest
from sqlalchemy import text

from edgeprune.farm.dispatcher import Dispatcher, Work
from edgeprune.farm.executor import Ending, Sign
from edgeprune.farm.job import ErrorKind, Job, Kind
from edgeprune.farm.store.nights import Night
from edgeprune.history.place import SqliteFile
from edgeprune.history.writer import Writer

BROKEN = Ending(None, ErrorKind.INFRASTRUCTURE, "the connection broke")


@pytest.fixture
def turn(tmp_path: Path):
    """Turns of a dispatcher with one device and one job, the first of which hands the job out."""
    job = Job(0, Kind.MEASURE, "/m", "0" * 64, "as-is", "pixel-8", None)
    work = Work(Night("n", "p", "", None), [job], {"phone": "pixel-8"})
    writer = Writer(SqliteFile(tmp_path / "history.sqlite"))
    clock = iter(range(10**9, 2 * 10**9, 60_000))
    dispatcher = Dispatcher(writer, work, "me", "lab", lambda connection: next(clock))
    dispatcher.begin()
    yield lambda endings, signs: dispatcher.turn(endings, signs, [], 1, counts=False)
    writer.close()


@pytest.fixture
def asked(tmp_path):
    def ask(question):
        writer = Writer(SqliteFile(tmp_path / "history.sqlite"))
        with writer.transaction() as connection:
            found = [tuple(row) for row in connection.execute(text(question))]
        writer.close()
        return found

    return ask


def test_a_phone_that_was_pulled_is_lost_once_and_found_once(turn, asked):
    (assignment,) = turn([], {"phone": Sign(True)}).assignments
    broken = turn([(assignment, BROKEN)], {})
    assert not broken.assignments and not broken.said
    gone = Sign(False, "connection refused")
    assert turn([], {"phone": gone}).said == ("phone cannot be used: connection refused",)
    assert turn([], {"phone": gone}).said == ()
    question = "SELECT state, state_message FROM farm_devices"
    assert asked(question) == [("offline", "connection refused")]
    back = turn([], {"phone": Sign(True)})
    assert back.assignments and back.said == ("phone is back",)
    assert asked("SELECT state FROM farm_devices") == [("online",)]
    assert asked("SELECT kind FROM farm_events ORDER BY id") == [("lost",), ("found",)]


def test_a_phone_that_answers_after_a_failed_job_was_never_lost(turn, asked):
    (assignment,) = turn([], {"phone": Sign(True)}).assignments
    turn([(assignment, BROKEN)], {})
    assert turn([], {"phone": Sign(True)}).assignments
    assert asked("SELECT kind FROM farm_events") == []
