"""Changes over nights are measured again in the night that suspects them, and decided on once."""

import json
import tempfile
from pathlib import Path

import pytest
from farm_simulation import Nights, Odds, faults_in_logs
from farm_world import World
from sqlalchemy import text

from edgeprune.farm import confirming
from edgeprune.farm.trends import watch
from edgeprune.history import database
from edgeprune.history.place import SqliteFile

QUIET = Odds(0, 0, 0, 0, 0, 0)
STEP = 7
SLOWER = "/models/0.tflite"
CHANGED = "/models/1.tflite"
DECISIONS = (
    "SELECT c.model_path, c.device, r.night, c.is_confirmed, round(c.factor, 2), j.kind "
    "FROM farm_changes c JOIN farm_results r ON r.run = c.run JOIN farm_jobs j ON j.job = c.job"
)
RERUNS = (
    "SELECT j.night, j.state, j.message, j.options FROM farm_jobs j WHERE kind = 'confirm' "
    "ORDER BY j.ended_ms"
)


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield SqliteFile(Path(folder) / "history.sqlite")


def asked(place, question):
    with database.reading(place) as connection:
        return [tuple(row) for row in connection.execute(text(question))]


def farm(place, odds=QUIET, factor=1.06, models=1, **rest):
    """Two quiet devices with a model each or more, of which the first gets slower on a night."""
    world = World(["pi-0", "pi-1"], 3, nights=0, kinds=("steady",), scales=(0.002, 0.003))
    world.plant(SLOWER, STEP, factor)
    world.plant(CHANGED, STEP, 1.0)
    return Nights(2, models, 5, place, odds, world=world, **rest)


def test_a_slower_file_is_told_in_its_first_night_and_one_that_only_changed_never(place):
    with farm(place) as nights:
        for _ in range(STEP + 3):
            nights.next()
    told = [row for row in asked(place, DECISIONS) if row[3]]
    assert told == [(SLOWER, "pi-0", f"nightly {STEP}", 1, 1.06, "confirm")]
    assert all(state == "done" for _, state, *_ in asked(place, RERUNS))
    with database.reading(place) as connection:
        counts = [confirming.regressions(connection, f"nightly {n}") for n in (STEP - 1, STEP)]
    assert counts == [0, 1]


def test_in_a_night_where_everything_breaks_each_change_is_decided_on_once(place):
    odds = Odds(0.05, 0.02, 0.0, kills=6, database_faults=20, clock_jumps=0)
    with farm(place, odds, night_s=7200.0) as nights:
        lives = [nights.next() for _ in range(STEP + 3)]
        assert max(lives) > 2 and faults_in_logs(nights.lab) == []
        rerun = {job for device in nights.lab.devices.values() for _, _, _, job in device.log}
    told = [row for row in asked(place, DECISIONS) if row[3]]
    assert [row[:2] for row in told] == [(SLOWER, "pi-0")]
    assert told[0][2] in (f"nightly {STEP}", f"nightly {STEP + 1}")
    ((job,),) = asked(place, "SELECT job FROM farm_changes WHERE is_confirmed")
    assert job in rerun
    assert asked(place, "SELECT count(*) FROM farm_results GROUP BY job HAVING count(*) > 1") == []


def test_what_cannot_be_measured_again_says_why_and_is_tried_in_the_next_night(place, monkeypatch):
    with farm(place) as nights:
        for _ in range(STEP):
            nights.next()
        measured, nights.lab.world.in_turns = nights.lab.world.in_turns, invalid
        nights.next()
        assert [row for row in asked(place, DECISIONS) if row[0] == SLOWER] == []
        ((state, message),) = [
            row[1:3] for row in asked(place, RERUNS) if row[0] == f"nightly {STEP}"
        ]
        assert state == "done" and "too few processes were valid" in message
        nights.lab.world.in_turns = measured
        monkeypatch.setattr(watch, "_suspected", lambda *_: None)  # it need not be seen twice
        nights.next()
    told = [row for row in asked(place, DECISIONS) if row[3]]
    assert [row[2] for row in told] == [f"nightly {STEP + 1}"]


def reruns_of(place, *, night_s=7200.0, share=0.25, has_deadline=True):
    """Priority, state and message of the re-runs of the night in which a file got slower."""
    with farm(place, night_s=night_s) as nights:
        nights.lab.terms, nights.lab.has_deadline = {"confirm_share": share}, has_deadline
        for _ in range(STEP + 1):
            nights.next()
    question = "SELECT priority, state, message FROM farm_jobs WHERE kind = 'confirm' AND night = "
    return asked(place, f"{question} 'nightly {STEP}' AND model_path = '{SLOWER}'")


def test_re_runs_come_first_where_the_deadline_leaves_time_for_all(place):
    ((priority, state, _),) = reruns_of(place)
    assert priority >= watch.FIRST and state == "done"


@pytest.mark.parametrize("given", [{"has_deadline": False}, {"night_s": 1800.0, "share": 0.9}])
def test_re_runs_come_last_where_there_is_no_deadline_or_it_is_near(place, given):
    ((priority, *_),) = reruns_of(place, **given)
    assert watch.LAST < priority < -1000


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "switched off in the plan"), (0.0001, "had their share of the night")],
)
def test_re_runs_have_a_share_of_the_night(place, share, words):
    with farm(place, night_s=7200.0, models=3) as nights:
        nights.lab.terms, nights.lab.has_deadline = {"confirm_share": share}, True
        nights.lab.world.plant("/models/4.tflite", STEP, 1.05)  # on the same device
        for _ in range(STEP + 1):
            nights.next()
    messages = [row[2] or "" for row in asked(place, RERUNS) if row[0] == f"nightly {STEP}"]
    assert len(messages) == 2 and words in messages[1]


def invalid(device, path, digests, night):
    """A re-run whose times are not to be relied on."""
    from edgeprune.farm.executor import Run

    return [Run(device, "{}", (), {}, digest) for digest in digests]


def test_a_slower_runtime_is_told_by_repeating_the_run_beside_the_golden_models_noise(place):
    with farm(place) as nights:
        nights.lab.world.plant(SLOWER, None, 1.0)
        nights.lab.world.update = (STEP, {"pi-0": 0.08})
        for _ in range(STEP + 1):
            nights.next()
    ((night, *_, options),) = asked(place, RERUNS)
    assert night == f"nightly {STEP}" and json.loads(options)["how"] == "repeat"
    assert asked(place, DECISIONS) == [(SLOWER, "pi-0", night, 1, 1.08, "confirm")]
    ((reasons,),) = asked(place, "SELECT reasons FROM farm_changes")
    assert json.loads(reasons) == ["runtime: LiteRT 2.3.0 to LiteRT 2.4.0"]


def test_where_the_golden_model_moved_as_well_and_nothing_changed_it_is_the_device(place):
    with farm(place) as nights:
        nights.lab.world.plant(SLOWER, None, 1.0)
        for night in range(STEP + 1):
            nights.lab.world.state("pi-0").walk[:] = [0.08 * (night == STEP)] * (STEP + 1)
            nights.next()
    assert [row[:4] for row in asked(place, DECISIONS)] == [(SLOWER, "pi-0", f"nightly {STEP}", 0)]


def test_a_file_that_is_not_slower_under_a_slower_runtime_is_acquitted(place):
    with farm(place, factor=1.0) as nights:
        nights.lab.world.update = (STEP, {"pi-0": 0.08})
        for _ in range(STEP + 1):
            nights.next()
    ways = [json.loads(row[3])["how"] for row in asked(place, RERUNS)]
    assert ways == ["turns", "repeat"]
    ((path, *_, is_confirmed, factor, _),) = asked(place, DECISIONS)
    assert (path, is_confirmed, factor) == (SLOWER, 1, pytest.approx(1.08, abs=0.011))
    ((reasons,),) = asked(place, "SELECT reasons FROM farm_changes")
    assert json.loads(reasons) == [
        "not the model's file, which takes the same as the one before",
        "runtime: LiteRT 2.3.0 to LiteRT 2.4.0",
    ]
