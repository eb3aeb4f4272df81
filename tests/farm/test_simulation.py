"""Nights in compressed time with everything broken: each job ends once, no device runs two."""

import tempfile
from pathlib import Path

import pytest
from farm_simulation import Odds, faults_in_logs, simulate
from sqlalchemy import text

from edgeprune.history import database
from edgeprune.history.place import SqliteFile


@pytest.fixture
def place():
    """A history in memory: thousands of commits would wait for the disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield SqliteFile(Path(folder) / "history.sqlite")


def asked(place, question):
    with database.reading(place) as connection:
        return [tuple(row) for row in connection.execute(text(question))]


QUIET = Odds(0, 0, 0, 0, 0, 0)


def test_a_quiet_night_measures_every_job_once(place):
    lab, lives = simulate(3, 1, 3, 1, place, QUIET)
    assert lives == [1] and faults_in_logs(lab) == []
    assert asked(place, "SELECT kind, state, count(*) FROM farm_jobs GROUP BY 1, 2") == [
        ("golden", "done", 3),
        ("measure", "done", 9),
    ]
    ends = [entry for device in lab.devices.values() for entry in device.log if entry[1] == "end"]
    assert len(ends) == 12


def test_a_broken_night_ends_every_job_once(place):
    odds = Odds(0.1, 0.05, 0.02, kills=30, database_faults=30, clock_jumps=20)
    lab, lives = simulate(3, 1, 8, 7, place, odds)
    assert lives[0] > 1, "no scheduler was killed"
    assert faults_in_logs(lab) == []
    states = dict(asked(place, "SELECT state, count(*) FROM farm_jobs WHERE kind = 'measure' "
                               "GROUP BY 1"))  # fmt: skip
    assert sum(states.values()) == 24 and set(states) <= {"done", "failed", "missed"}
    assert states["done"] > 18
    ((results, runs),) = asked(place, "SELECT count(*), count(DISTINCT job) FROM farm_results")
    assert results == runs
    assert asked(place, "SELECT count(*) FROM runs") == [(results,)]
    unfit = "SELECT j.job FROM farm_jobs j LEFT JOIN farm_results r ON r.job = j.job WHERE " \
        "(j.state = 'done' OR j.error_kind IS 'test') <> (r.job IS NOT NULL)"  # fmt: skip
    assert asked(place, unfit) == []
    assert asked(place, "SELECT device FROM farm_devices WHERE holder IS NOT NULL") == []
    assert asked(place, "SELECT device FROM farm_attempts WHERE ended_ms IS NULL") == []
    handed_out = {
        (device.name, epoch, job)
        for device in lab.devices.values()
        for _, what, epoch, job in device.log
        if what == "end"
    }
    assert set(asked(place, "SELECT device, epoch, job FROM farm_results")) <= handed_out
