"""The end of an attempt: its result goes into the history once, or its error says what follows."""

from __future__ import annotations

import datetime
import enum

from sqlalchemy import Connection, bindparam, insert, update

from edgeprune.farm.executor import Assignment, Ending, Lease, Run
from edgeprune.farm.job import ErrorKind, State
from edgeprune.farm.store import jobs, leases
from edgeprune.history.farm_tables import ATTEMPTS, JOBS, RESULTS
from edgeprune.history.tables import FIGURES, RUNS
from edgeprune.version import __version__

DONE = "done"
STOPPED = "stopped"
"""Outcomes of attempts beside the kinds of errors: measured; called off."""

_A = ATTEMPTS.c

# Statements are made once: SQLAlchemy takes longer to make one than SQLite to run it.
_CLOSE = (
    update(ATTEMPTS)
    .where(
        _A.device == bindparam("of_device"),
        _A.epoch == bindparam("of_epoch"),
        _A.ended_ms.is_(None),
    )
    .values(
        ended_ms=bindparam("at_ms"),
        outcome=bindparam("as_outcome"),
        message=bindparam("with_message"),
    )
)
_ADD_RUN = insert(RUNS).returning(RUNS.c.id)
_ADD_RESULT = insert(RESULTS)
_ADD_FIGURES = insert(FIGURES)
_DONE_JOB = (
    update(JOBS)
    .where(JOBS.c.job == bindparam("of_job"))
    .values(state=State.DONE.value, error_kind=None, message=None, ended_ms=bindparam("at_ms"))
)


class Fate(enum.Enum):
    """What became of an ending."""

    TAKEN = "taken"
    REFUSED = "refused"
    """The lease was no longer the attempt's: another one has the job, or had it."""


def end_attempt(
    connection: Connection, assignment: Assignment, ending: Ending, now_ms: int
) -> Fate:
    """Ends an attempt, frees its device and decides on its job, all in one transaction.

    Said twice it changes nothing: the first time freed the lease.
    """
    lease = assignment.lease
    if not leases.release(connection, lease):
        close_attempt(connection, lease, ErrorKind.INFRASTRUCTURE.value, "lease lost", now_ms)
        return Fate.REFUSED
    if ending.error_kind is None and ending.run is not None:
        close_attempt(connection, lease, DONE, "", now_ms)
        for run in ending.beside:
            _add_run(connection, assignment, run, now_ms)
        _store(connection, assignment, ending.run, now_ms)
        connection.execute(_DONE_JOB, {"of_job": assignment.id, "at_ms": now_ms})
        return Fate.TAKEN
    if ending.error_kind is None:
        close_attempt(connection, lease, STOPPED, ending.message, now_ms)
        jobs.put_back(connection, assignment.id, lease.device, ending.message, now_ms, counts=False)
        return Fate.TAKEN
    close_attempt(connection, lease, ending.error_kind.value, ending.message, now_ms)
    if ending.error_kind is ErrorKind.INFRASTRUCTURE:
        jobs.put_back(connection, assignment.id, lease.device, ending.message, now_ms, counts=True)
    else:
        jobs.fail(connection, assignment.id, ending.error_kind, ending.message, now_ms)
        if ending.run is not None:  # it shows what was wrong
            _store(connection, assignment, ending.run, now_ms)
    return Fate.TAKEN


def abandon(connection: Connection, orphan: leases.Orphan, now_ms: int) -> None:
    """Ends a lease that nobody keeps any more; its job is tried again."""
    leases.release(connection, orphan.lease)
    if orphan.job is None:
        return
    close_attempt(connection, orphan.lease, ErrorKind.INFRASTRUCTURE.value, orphan.why, now_ms)
    counts = not orphan.is_unheard
    jobs.put_back(connection, orphan.job, orphan.lease.device, orphan.why, now_ms, counts=counts)


def close_attempt(
    connection: Connection, lease: Lease, outcome: str, message: str, now_ms: int
) -> None:
    """Writes how an attempt ended, unless that is written already."""
    ended = {"at_ms": now_ms, "as_outcome": outcome, "with_message": message}
    connection.execute(_CLOSE, {"of_device": lease.device, "of_epoch": lease.epoch, **ended})


def _store(connection: Connection, assignment: Assignment, run: Run, now_ms: int) -> None:
    """Puts a job's result into the history; the tables' constraints refuse a second one."""
    result = {
        "job": assignment.id,
        "night": assignment.night,
        "device": assignment.lease.device,
        "epoch": assignment.lease.epoch,
        "run": _add_run(connection, assignment, run, now_ms),
    }
    connection.execute(_ADD_RESULT, result)


def _add_run(connection: Connection, assignment: Assignment, run: Run, now_ms: int) -> int:
    """Puts a run with its figures into the history; its id."""
    time = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC)
    row = {
        "time_utc": time.isoformat(timespec="seconds"),
        "edgeprune_version": __version__,
        "board": assignment.job.board,
        "device": run.device_id,
        "model_sha256": run.model_sha256 or assignment.job.model_sha256,
        "model_path": assignment.job.model_path,
        "result": run.result,
    }
    number = int(connection.execute(_ADD_RUN, row).scalar_one())
    if run.figures:
        rows = [{"run_id": number, **vars(one)} for one in run.figures]
        connection.execute(_ADD_FIGURES, rows)
    return number
