"""What the farm's tables say of nights, attempts and devices, as the site shows it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from edgeprune.farm.children import folder_name
from edgeprune.farm.executor import Assignment, Lease
from edgeprune.farm.folder import night_folder
from edgeprune.farm.holder import shown
from edgeprune.farm.job import Job, Kind
from edgeprune.farm.trends.nightly import has_index
from edgeprune.farm.trends.reasons import Night
from edgeprune.history.farm_tables import ATTEMPTS, CHANGES, EVENTS, JOBS, NIGHTS, RESULTS
from edgeprune.history.tables import FIGURES, READ_ALL, RUNS
from edgeprune.morning.changes import verdict
from edgeprune.morning.night import time_utc

MAX_EVENTS = 200
"""Newest events of a device that are shown."""

MAX_NIGHTS = 400
"""Newest nights that are listed."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a job.

    Attributes:
        device: Where.
        by: Who had the device, for people.
        began_utc: When it began, ISO 8601.
        ended_utc: When it ended, or None.
        outcome: ``done`` or the kind of the error; None while it runs.
        message: The error in one line, or None.
        log: Where its messages are, below the user's data folder of the host that ran it.
    """

    device: str
    by: str
    began_utc: str | None
    ended_utc: str | None
    outcome: str | None
    message: str | None
    log: str


@dataclass(frozen=True)
class Event:
    """What befell a device.

    Attributes:
        time_utc: When, ISO 8601.
        night: In which night, or None.
        kind: As :class:`edgeprune.farm.store.devices.Event` has it.
        message: More of it.
    """

    time_utc: str | None
    night: str | None
    kind: str
    message: str


@dataclass(frozen=True)
class NightRow:
    """One night in the list of all.

    Attributes:
        night: Its name.
        began_utc: When it began, ISO 8601.
        ended_utc: When it was over, or None.
        counts: Jobs by state.
        worse: Confirmed changes for the worse.
    """

    night: str
    began_utc: str | None
    ended_utc: str | None
    counts: Counter[str]
    worse: int


def attempts_of(connection: Connection, night: str) -> dict[str, list[Attempt]]:
    """Every attempt of a night, by its job, in order."""
    statement = (
        select(ATTEMPTS, JOBS.c.model_path)
        .join_from(JOBS, ATTEMPTS, ATTEMPTS.c.job == JOBS.c.job)
        .where(JOBS.c.night == night)
        .order_by(ATTEMPTS.c.began_ms, ATTEMPTS.c.epoch)
    )
    folder = f"farm/{night_folder(night).name}"
    attempts = defaultdict(list)
    for row in connection.execute(statement):
        lease = Lease(row.device, row.epoch, row.holder)
        job = Job(0, Kind.MEASURE, row.model_path, "", "", "", None)
        log = f"{folder}/{folder_name(Assignment('', '', job, lease, 0.0))}.log"
        attempts[row.job].append(
            Attempt(
                row.device, shown(row.holder), time_utc(row.began_ms), time_utc(row.ended_ms),
                row.outcome, row.message, log,
            )
        )  # fmt: skip
    return dict(attempts)


def events_of(connection: Connection, device: str) -> list[Event]:
    """The newest events of a device, newest first."""
    statement = select(EVENTS).where(EVENTS.c.device == device).order_by(EVENTS.c.id.desc())
    return [
        Event(time_utc(row.time_ms), row.night, row.kind, row.message)
        for row in connection.execute(statement.limit(MAX_EVENTS))
    ]


def outcomes(connection: Connection, since_ms: int) -> dict[str, Counter[str]]:
    """How the attempts on each device ended since an instant."""
    statement = (
        select(ATTEMPTS.c.device, ATTEMPTS.c.outcome, func.count())
        .where(ATTEMPTS.c.began_ms >= since_ms, ATTEMPTS.c.outcome.is_not(None))
        .group_by(ATTEMPTS.c.device, ATTEMPTS.c.outcome)
    )
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for device, outcome, number in connection.execute(statement):
        found[device][outcome] += number
    return dict(found)


def golden_figures(
    connection: Connection, devices: Iterable[str], since_utc: str
) -> dict[tuple[str, str], list[Night]]:
    """The golden model's figures, oldest first, by the farm's name of a device and by metric."""
    figures = FIGURES.c
    statement = (
        select(RESULTS.c.device, figures.metric, RUNS.c.id, RUNS.c.time_utc, figures.value,
               figures.file_sha256, figures.conditions)
        .join_from(JOBS, RESULTS, RESULTS.c.job == JOBS.c.job)
        .join(RUNS, RUNS.c.id == RESULTS.c.run)
        .join(FIGURES, figures.run_id == RUNS.c.id)
        .where(JOBS.c.kind == Kind.GOLDEN.value, RUNS.c.time_utc >= since_utc)
        .where(figures.variant == "deployed", figures.metric.in_(("latency_us", "instructions")))
        .order_by(RUNS.c.id)
    )  # fmt: skip
    if has_index(connection):
        statement = statement.with_hint(RUNS, READ_ALL, "sqlite")
    wanted, found = set(devices), defaultdict(list)
    for device, metric, *rest in connection.execute(statement):
        if device in wanted:
            found[device, metric].append(Night(*rest))
    return dict(found)


def nights_of(connection: Connection, plan: str) -> list[NightRow]:
    """The newest nights of a plan, newest first."""
    statement = select(NIGHTS).where(NIGHTS.c.plan == plan).order_by(NIGHTS.c.began_ms.desc())
    nights = list(connection.execute(statement.limit(MAX_NIGHTS)))
    names = {row.night for row in nights}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    by_state = (
        select(JOBS.c.night, JOBS.c.state, func.count())
        .where(JOBS.c.kind != Kind.CONFIRM.value)
        .group_by(JOBS.c.night, JOBS.c.state)
    )
    for night, state, number in connection.execute(by_state):
        if night in names:
            counts[night][state] += number
    worse = Counter(
        night
        for night, metric, factor in connection.execute(
            select(RESULTS.c.night, CHANGES.c.metric, CHANGES.c.factor)
            .join_from(CHANGES, RESULTS, RESULTS.c.run == CHANGES.c.run)
            .where(CHANGES.c.is_confirmed == 1)
        )
        if verdict(metric, factor) == "worse"
    )
    return [
        NightRow(row.night, time_utc(row.began_ms), time_utc(row.ended_ms), counts[row.night],
                 worse[row.night])
        for row in nights
    ]  # fmt: skip
