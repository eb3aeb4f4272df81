"""What is to do: jobs of a night, in order of priority and then of the plan."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from edgeprune.farm.executor import Lease
from edgeprune.farm.job import ErrorKind, Job, Kind, State
from edgeprune.history.farm_tables import ATTEMPTS, JOBS

MAX_RETRIES = 2
"""Source: Linaro/squad, issue 81: with more, a broken lab runs for ever."""

BACKOFF_MS = 30_000
"""Before the first retry; twice as long before the second. Source: ours."""

MAX_BACKOFF_MS = 10 * BACKOFF_MS
_J = JOBS.c


def _next(*conditions: ColumnElement[bool]) -> Select[Any]:
    """The first job that waits, by priority and then by number: two looks at the index.

    A time beyond any backoff is from before a clock jumped.
    """
    waits = (
        _J.night == bindparam("of_night"),
        _J.state == State.PENDING.value,
        _J.board == bindparam("of_board"),
        or_(_J.not_before_ms <= bindparam("now_ms"), _J.not_before_ms > bindparam("too_late_ms")),
        *conditions,
    )
    top = select(func.max(_J.priority)).where(*waits).scalar_subquery()
    return select(JOBS).where(*waits, _J.priority == top).order_by(_J.number).limit(1)


# Statements are made once: SQLAlchemy takes longer to make one than SQLite to run it.
_NOT_AGAIN = or_(_J.avoid_device.is_(None), _J.avoid_device != bindparam("of_device"))
_NEXT_HERE = _next(_J.device == bindparam("of_device"))
_NEXT_ANYWHERE = _next(_J.device.is_(None), _NOT_AGAIN)
_NEXT_ANYWHERE_AGAIN = _next(_J.device.is_(None))
_BEGIN = (
    update(JOBS)
    .where(_J.job == bindparam("of_job"), _J.state == State.PENDING.value)
    .values(state=State.RUNNING.value)
)
_ADD_ATTEMPT = insert(ATTEMPTS)


def add(connection: Connection, night: str, jobs: Iterable[Job]) -> int:
    """Adds the jobs that a night does not have yet; how many these are."""
    there = set(connection.execute(select(_J.job).where(_J.night == night)).scalars())
    rows = [_values(night, job) for job in jobs]
    new = [row for row in rows if row["job"] not in there]
    if new:
        connection.execute(insert(JOBS), new)
    return len(new)


def add_one(connection: Connection, night: str, job: Job) -> None:
    """Adds a job that the night does not have."""
    connection.execute(insert(JOBS).values(_values(night, job)))


def next_for(
    connection: Connection, night: str, board: str, device: str, now_ms: int, *, may_again: bool
) -> Row[Any] | None:
    """The job that a device should run next, or None.

    Args:
        connection: Inside a transaction.
        night: The night's name.
        board: The device's board.
        device: Its name.
        now_ms: The present moment; a job that failed waits a little.
        may_again: Also one that failed on this very device, since there is no other of its board.
    """
    given = {
        "of_night": night,
        "of_board": board,
        "of_device": device,
        "now_ms": now_ms,
        "too_late_ms": now_ms + MAX_BACKOFF_MS,
    }
    anywhere = _NEXT_ANYWHERE_AGAIN if may_again else _NEXT_ANYWHERE
    found = [connection.execute(one, given).first() for one in (_NEXT_HERE, anywhere)]
    rows = [row for row in found if row is not None]
    return min(rows, key=lambda row: (-row.priority, row.number)) if rows else None


def begin(connection: Connection, job: str, lease: Lease, now_ms: int) -> bool:
    """Marks a job as under way; False where it no longer waits."""
    if connection.execute(_BEGIN, {"of_job": job}).rowcount != 1:
        return False
    attempt = {
        "device": lease.device,
        "epoch": lease.epoch,
        "job": job,
        "holder": lease.holder,
        "began_ms": now_ms,
    }
    connection.execute(_ADD_ATTEMPT, attempt)
    return True


def put_back(
    connection: Connection, job: str, device: str, message: str, now_ms: int, *, counts: bool
) -> None:
    """Has a job that is under way tried again, or fail where that was done twice.

    Args:
        connection: Inside a transaction.
        job: The job.
        device: Where it failed; others of the board are tried first.
        message: Why.
        now_ms: The present moment.
        counts: The attempt failed, rather than being called off.
    """
    retries = connection.execute(
        select(_J.retries).where(_J.job == job, _J.state == State.RUNNING.value)
    ).scalar()
    if retries is None:
        return
    if counts and retries >= MAX_RETRIES:
        fail(connection, job, ErrorKind.INFRASTRUCTURE, message, now_ms)
        return
    wait_ms = BACKOFF_MS << retries if counts else 0
    connection.execute(
        update(JOBS)
        .where(_J.job == job)
        .values(
            state=State.PENDING.value,
            retries=retries + counts,
            not_before_ms=now_ms + wait_ms,
            avoid_device=device if counts else _J.avoid_device,
        )
    )


def fail(connection: Connection, job: str, kind: ErrorKind, message: str, now_ms: int) -> None:
    """Ends a job that is under way without a result."""
    connection.execute(
        update(JOBS)
        .where(_J.job == job, _J.state == State.RUNNING.value)
        .values(state=State.FAILED.value, error_kind=kind.value, message=message, ended_ms=now_ms)
    )


def counts(connection: Connection, night: str) -> dict[State, int]:
    """How many jobs of a night are in each state; golden ones are not counted."""
    rows = connection.execute(
        select(_J.state, func.count())
        .where(_J.night == night, _J.kind == Kind.MEASURE.value)
        .group_by(_J.state)
    )
    return {State(state): int(number) for state, number in rows}


def miss(connection: Connection, night: str, message: str, now_ms: int) -> None:
    """Ends all jobs of a night that still wait."""
    connection.execute(
        update(JOBS)
        .where(_J.night == night, _J.state == State.PENDING.value)
        .values(state=State.MISSED.value, message=message, ended_ms=now_ms)
    )


def miss_one(connection: Connection, job: str, message: str, now_ms: int) -> None:
    """Ends a job that waits."""
    connection.execute(
        update(JOBS)
        .where(_J.job == job, _J.state == State.PENDING.value)
        .values(state=State.MISSED.value, message=message, ended_ms=now_ms)
    )


def explain(connection: Connection, job: str, message: str) -> None:
    """Writes a line to a job that is over."""
    connection.execute(update(JOBS).where(_J.job == job).values(message=message))


def open_counts(connection: Connection, night: str) -> dict[Kind, int]:
    """How many jobs of a night wait or are under way, by kind; golden ones are not counted."""
    rows = connection.execute(
        select(_J.kind, func.count())
        .where(_J.night == night, _J.state.in_([State.PENDING.value, State.RUNNING.value]))
        .where(_J.kind != Kind.GOLDEN.value)
        .group_by(_J.kind)
    )
    return {Kind(kind): int(number) for kind, number in rows}


def spent_ms(connection: Connection, night: str, device: str) -> dict[Kind, int]:
    """For how long a device had jobs of a night, by kind; attempts that are not over do not count.

    Args:
        connection: Inside a transaction.
        night: The night's name.
        device: The device's name.
    """
    took = ATTEMPTS.c.ended_ms - ATTEMPTS.c.began_ms
    rows = connection.execute(
        select(_J.kind, func.sum(took))
        .join_from(ATTEMPTS, JOBS, _J.job == ATTEMPTS.c.job)
        .where(ATTEMPTS.c.device == device, ATTEMPTS.c.ended_ms.is_not(None), _J.night == night)
        .where(took >= 0)  # the clock may have jumped
        .group_by(_J.kind)
    )
    return {Kind(kind): int(spent) for kind, spent in rows}


def state_of(connection: Connection, job: str) -> State:
    """How far a job is."""
    return State(connection.execute(select(_J.state).where(_J.job == job)).scalar_one())


def job_with_id(connection: Connection, job: str) -> Job:
    """A job that is there."""
    return job_of(connection.execute(select(JOBS).where(_J.job == job)).one())


def job_of(row: Row[Any]) -> Job:
    """A row of the table as a job."""
    return Job(
        number=row.number,
        kind=Kind(row.kind),
        model_path=row.model_path,
        model_sha256=row.model_sha256,
        recipe=row.recipe,
        board=row.board,
        device=row.device,
        tags=tuple(json.loads(row.tags)),
        priority=row.priority,
        time_budget_s=row.time_budget_s,
        options=json.loads(row.options),
    )


def _values(night: str, job: Job) -> dict[str, Any]:
    return {
        "job": job.id_in(night),
        "night": night,
        "number": job.number,
        "kind": job.kind.value,
        "model_path": job.model_path,
        "model_sha256": job.model_sha256,
        "recipe": job.recipe,
        "board": job.board,
        "device": job.device,
        "tags": json.dumps(list(job.tags), ensure_ascii=False),
        "priority": job.priority,
        "time_budget_s": job.time_budget_s,
        "options": json.dumps(dict(job.options), sort_keys=True),
        "state": State.PENDING.value,
        "retries": 0,
        "not_before_ms": 0,
    }
