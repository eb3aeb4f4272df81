"""What a person does with the farm's devices, beside a scheduler that uses them."""

import contextlib
import json

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from edgeprune.cli import edgeprune as command
from edgeprune.errors import ConfigError
from edgeprune.farm import desk
from edgeprune.farm.dispatcher import Dispatcher, Work
from edgeprune.farm.executor import Ending, Run, Sign
from edgeprune.farm.health import MAX_TROUBLES
from edgeprune.farm.job import ErrorKind, Job, Kind
from edgeprune.farm.store.nights import Night
from edgeprune.history.figures import Figure
from edgeprune.history.place import place
from edgeprune.history.writer import Writer

NOW_MS = 1_790_000_000_000


@pytest.fixture
def farm(monkeypatch, tmp_path, opened):
    """A dispatcher of one device and three jobs, whose clock is ``farm.now_ms``."""
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path))
    return begun(opened)


@pytest.fixture
def opened():
    with contextlib.ExitStack() as stack:
        yield stack


def begun(opened, golden=None):
    jobs = [Job(k, Kind.MEASURE, "/m", f"{k:064x}", "as-is", "rpi4", None) for k in range(3)]
    work = Work(Night("n", "p", "", None), jobs, {"pi-1": "rpi4"}, golden or {})
    writer = Writer(place())
    opened.callback(writer.close)
    made = Dispatcher(writer, work, "host 1", "lab", lambda _: made.now_ms)
    made.now_ms = NOW_MS
    made.begin()
    return made


def turn(farm, *endings, online=True, later_ms=11_000):
    farm.now_ms += later_ms
    return farm.turn(endings, {"pi-1": Sign(online)}, [], 8, counts=True)


def measured(figure=1000.0):
    return Ending(Run("pi", "{}", (Figure("deployed", "latency_us", figure, "", ""),)))


def broken(message="gone"):
    return Ending(None, ErrorKind.INFRASTRUCTURE, message)


def asked(question):
    writer = Writer(place())
    with writer.transaction() as connection:
        done = connection.execute(text(question))
        rows = [tuple(row) for row in done] if done.returns_rows else []
    writer.close()
    return rows


def test_a_device_runs_one_job_at_a_time(farm):
    (first,) = turn(farm).assignments
    assert turn(farm).assignments == ()
    (second,) = turn(farm, (first, measured())).assignments
    assert second.id != first.id and second.lease.epoch == first.lease.epoch + 1


def test_an_ending_counts_once(farm):
    (first,) = turn(farm).assignments
    turn(farm, (first, measured()))
    assert turn(farm, (first, measured())).refused == (first,)
    assert asked("SELECT count(*) FROM runs") == [(1,)]


def test_a_device_that_a_person_took_gets_no_job(farm):
    turn(farm, online=False)
    desk.take("pi-1", 60)
    assert turn(farm).assignments == ()
    with pytest.raises(ConfigError, match="in use by"):
        desk.take("pi-1", 60)
    desk.release("pi-1")
    assert len(turn(farm).assignments) == 1
    with pytest.raises(ConfigError, match="edgeprune devices break pi-1"):
        desk.release("pi-1")


def test_a_broken_lease_refuses_the_result_and_the_job_is_tried_again(farm):
    (first,) = turn(farm).assignments
    state = desk.break_lease("pi-1")
    assert state.epoch == first.lease.epoch + 1 and state.holder is None
    after = turn(farm)
    assert after.lost == ("pi-1",)
    ended = turn(farm, (first, measured()))
    assert ended.refused == (first,)
    assert asked("SELECT count(*) FROM runs") == [(0,)]
    assert dict(asked("SELECT state, count(*) FROM farm_jobs GROUP BY 1"))["pending"] >= 2


def test_a_job_whose_device_somebody_else_has_waits_and_that_counts_for_nothing(farm):
    (first,) = turn(farm).assignments
    busy = (first, Ending(message="anna has it"))
    after = farm.turn([busy], {}, [], 8, counts=True)
    assert after.assignments == () and sum(after.open_jobs.values()) == 3  # it is asked first
    assert turn(farm, online=False).assignments == ()
    assert asked("SELECT state, troubles FROM farm_devices") == [("offline", 0)]
    (again,) = turn(farm).assignments
    assert again.id == first.id and asked("SELECT sum(retries) FROM farm_jobs") == [(0,)]


def tried(farm, kind):
    """Ids of the jobs that ran, where every one ends with an error of a kind."""
    tries, endings = [], []
    for _ in range(20):
        granted = turn(farm, *endings, later_ms=3_600_000).assignments
        asked("UPDATE farm_devices SET quarantine_reason = NULL, troubles = 0")
        tries += [assignment.id for assignment in granted]
        endings = [(assignment, Ending(None, kind, "no")) for assignment in granted]
    return tries


def test_infrastructure_errors_are_tried_again_twice(farm):
    tries = tried(farm, ErrorKind.INFRASTRUCTURE)
    assert len(tries) == 9 and len(set(tries)) == 3
    assert asked("SELECT DISTINCT state, error_kind FROM farm_jobs") == [
        ("failed", "infrastructure")
    ]


@pytest.mark.parametrize("kind", [one for one in ErrorKind if one != "infrastructure"])
def test_every_other_error_is_tried_once(farm, kind):
    tries = tried(farm, kind)
    assert len(tries) == len(set(tries)) == 3
    assert asked("SELECT DISTINCT state, error_kind FROM farm_jobs") == [("failed", kind.value)]


def test_repeated_trouble_is_quarantine_until_a_person_restores_the_device(farm):
    for _ in range(MAX_TROUBLES):
        (one,) = turn(farm, later_ms=3_600_000).assignments
        farm.now_ms += 1000
        farm.turn([(one, broken())], {}, [], 8, counts=False)
    assert turn(farm, later_ms=3_600_000).assignments == ()
    state = desk.states()["pi-1"]
    assert state.quarantine_reason == "3 infrastructure errors in a row: gone"
    shown = CliRunner().invoke(command, ["devices", "list"])
    assert "in quarantine since" in shown.output and "gone" in shown.output
    done = CliRunner().invoke(command, ["devices", "restore", "pi-1", "--json"])
    assert json.loads(done.output)["quarantine_reason"] is None
    assert len(turn(farm, later_ms=3_600_000).assignments) == 1


def test_a_golden_model_out_of_its_band_is_quarantine_until_three_clean_runs(farm, opened):
    job = Job(0, Kind.GOLDEN, "/g", "f" * 64, "as-is", "rpi4", "pi-1", priority=10**6)
    farm = begun(opened, {"pi-1": job})
    asked("DELETE FROM farm_jobs WHERE kind = 'measure'")
    for figure in (1000.0, 1010.0, 990.0, 1400.0):
        asked("UPDATE farm_devices SET trusted_night = NULL")
        (one,) = turn(farm, later_ms=3_600_000).assignments
        assert one.job.kind is Kind.GOLDEN
        turn(farm, (one, measured(figure)))
    assert "40.0% more than the 1,000" in desk.states()["pi-1"].quarantine_reason
    for figure in (1000.0, 1000.0, 1000.0):
        (one,) = turn(farm, later_ms=3_600_000).assignments
        turn(farm, (one, measured(figure)))
    assert desk.states()["pi-1"].quarantine_reason is None


def test_a_lost_commit_leaves_no_lease_behind(farm):
    (first,) = turn(farm).assignments
    farm._running.clear()  # as after a commit of which nobody was told
    (again,) = turn(farm, later_ms=3_600_000).assignments or turn(farm).assignments
    assert again.lease.epoch > first.lease.epoch
    assert asked("SELECT outcome FROM farm_attempts WHERE ended_ms IS NOT NULL") == [
        ("infrastructure",)
    ]


def test_who_leaves_lets_go_of_leases_that_it_never_heard_of(farm):
    turn(farm)
    farm._running.clear()  # as after a commit of which nobody was told
    farm.let_go()
    farm.finish("all jobs are over")
    assert asked("SELECT count(*) FROM farm_devices WHERE holder IS NOT NULL") == [(0,)]
    assert asked("SELECT count(*) FROM farm_attempts WHERE ended_ms IS NULL") == [(0,)]
    assert asked("SELECT DISTINCT state FROM farm_jobs") == [("missed",)]


def test_an_unknown_device_is_one_line(farm):
    with pytest.raises(ConfigError, match="knows no device 'pi-2'; did you mean pi-1"):
        desk.take("pi-2", 60)
