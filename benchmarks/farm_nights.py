"""Nights of a farm in compressed time, with devices, hosts, clocks and the database failing.

    python benchmarks/farm_nights.py --devices 200 --nights 30 --jobs 100

The scheduler, its database and every statement are the real ones; the clock jumps to whatever comes
next. Judged from the simulated agents' own logs: no device ran two jobs at once, no lease's epoch
was used twice, and each result in the history was handed out by its device. Prints each night.

Half of the files take 3 to 10 % more or less from some night on, a quarter change without that, and
devices scatter as `tests/farm_series.py` has it. What the scheduler told of it is judged at the end
by what truly changed: exit code 1 where more than 2 % was missed or false.
"""

from __future__ import annotations

import argparse
import collections
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import farm_simulation
import farm_truth
import farm_world
from sqlalchemy import text

from edgeprune.farm.rerun import REPEATS
from edgeprune.history import database
from edgeprune.history.place import SqliteFile

MAX_MISSED = MAX_FALSE = 0.02


def main() -> int:
    """Runs the nights and judges them; exit code 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=100, help="jobs a device and night")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=float, default=1.0, help="times as many faults")
    given = parser.parse_args()
    usual = farm_simulation.Odds()
    shares = {name: min(0.2, given.faults * value) for name, value in vars(usual).items()}
    odds = farm_simulation.Odds(
        shares["job_fails"],
        shares["device_vanishes"],
        shares["wrong_output"],
        given.faults * usual.kills,
        given.faults * usual.database_faults,
        given.faults * usual.clock_jumps,
    )
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        place = SqliteFile(Path(folder) / "history.sqlite")
        names = [f"pi-{number}" for number in range(given.devices)]
        world = farm_world.World(names, given.seed, given.nights)
        nights = farm_simulation.Nights(
            given.devices, given.jobs, given.seed, place, odds, world=world
        )
        begun_s, jobs = time.process_time(), 0
        wrong: list[str] = []
        with nights:
            for number in range(given.nights):
                lives = nights.next()
                wrong += farm_simulation.faults_in_logs(nights.lab) + faults_in(nights.lab, place)
                jobs += given.devices * given.jobs
                spent_ms = 1000 * (time.process_time() - begun_s) / jobs
                peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"night {number + 1}: {jobs:,} jobs, {lives} lives of the scheduler, "
                    f"{spent_ms:.2f} ms of CPU a job, peak {peak_mb:.0f} MB, {len(wrong)} faults",
                    flush=True,
                )
                _tell(place, nights.lab)
        print("\n".join(wrong[:20]))
        is_kept = _tell_changes(place, world)
    return 0 if is_kept and not wrong else 1


def _tell_changes(place: SqliteFile, world: farm_world.World) -> bool:
    """Prints what became of the true changes; whether the promises are kept."""
    with database.reading(place) as connection:
        truth = farm_truth.truth_of(connection, world)
    steps, told = len(truth.delays), truth.told
    if not steps:
        print("no file changed in a series of six nights and more")
        return True
    soon = [truth.delays.count(nights) for nights in (1, 2)]
    missed, false = truth.missed / steps, len(truth.false) / max(1, told)
    print(
        f"{truth.series:,} series of six nights and more; {steps:,} files that took 3 to 10 % more "
        f"or less: {soon[0]:,} told in their first night, {soon[1]:,} in the second, "
        f"{truth.missed:,} missed ({missed:.1%}); {told:,} told, {len(truth.false):,} of them "
        f"false ({false:.1%}); re-runs: "
        + ", ".join(f"{count:,} {state}" for state, count in truth.reruns.items())
    )
    return missed <= MAX_MISSED and false <= MAX_FALSE


def faults_in(lab: farm_simulation.Lab, place: SqliteFile) -> list[str]:
    """What the history shows that must not be."""
    handed_out = collections.Counter(
        (device.name, epoch, job)
        for device in lab.devices.values()
        for _, what, epoch, job in device.log
        if what == "end"
    )
    questions = {
        "jobs did not end": "SELECT count(*) FROM farm_jobs WHERE kind <> 'golden' AND state NOT "
        "IN ('done', 'failed', 'missed')",
        "jobs are done or wrong without a result, or neither with one": "SELECT count(*) "
        "FROM farm_jobs j LEFT JOIN farm_results r ON r.job = j.job WHERE "
        "(j.state = 'done' OR j.error_kind IS 'test') <> (r.job IS NOT NULL)",
        "runs belong to no job, nor beside one": "SELECT count(*) - count(r.job) - (SELECT "
        f"coalesce(sum(CASE WHEN options LIKE '%repeat%' THEN {REPEATS - 1} ELSE 1 END), 0) FROM "
        "farm_results JOIN farm_jobs USING (job) WHERE kind = 'confirm' AND state = 'done') "
        "FROM runs LEFT JOIN farm_results r ON r.run = id",
        "re-runs were decided on twice": "SELECT count(*) - count(DISTINCT job) FROM farm_changes "
        "WHERE job IS NOT NULL",
        "attempts are open": "SELECT count(*) FROM farm_attempts WHERE ended_ms IS NULL",
    }
    faults = []
    with database.reading(place) as connection:
        if connection is None:
            return ["there is no history"]
        for name, question in questions.items():
            if count := connection.execute(text(question)).scalar_one():
                faults.append(f"{count} {name}")
        for row in connection.execute(text("SELECT device, epoch, job FROM farm_results")):
            if handed_out[tuple(row)] != 1:
                faults.append(f"{row} was handed out {handed_out[tuple(row)]} times")
    return faults


def _tell(place: SqliteFile, lab: farm_simulation.Lab) -> None:
    with database.reading(place) as connection:
        if connection is not None:
            for question in (
                "SELECT state, count(*) FROM farm_jobs WHERE kind = 'measure' GROUP BY 1",
                "SELECT outcome, count(*) FROM farm_attempts GROUP BY 1",
                "SELECT kind, count(*) FROM farm_events GROUP BY 1",
            ):
                rows = connection.execute(text(question))
                print("  " + ", ".join(f"{count:,} {name}" for name, count in rows))
    said = collections.Counter(what for one in lab.devices.values() for _, what, _, _ in one.log)
    print("  agents: " + ", ".join(f"{count:,} {what}" for what, count in sorted(said.items())))


if __name__ == "__main__":
    sys.exit(main())
