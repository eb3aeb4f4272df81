"""Reads what a night brought out of the history."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import UTC, datetime
from pathlib import PurePath

from sqlalchemy import Connection, RowMapping, select

from edgeprune.errors import ConfigError
from edgeprune.farm.job import Kind
from edgeprune.farm.trends.nightly import (
    Series,
    ended_by,
    recipe_in_words,
    series_of,
)
from edgeprune.history import database
from edgeprune.history.farm_tables import DEVICES, JOBS, NIGHTS, RESULTS
from edgeprune.history.place import Place, place
from edgeprune.morning.changes import changes
from edgeprune.morning.data import Device, Figure, Job, Morning

USUAL_NIGHTS = 7
"""Nights before whose median a figure is shown beside. Source: ours, a week."""


def morning(night: str | None = None) -> Morning:
    """What a night brought.

    Args:
        night: Its name; the newest one if None.

    Raises:
        ConfigError: There is no such night, or the history cannot be read.
    """
    where = place()
    with database.reading(where) as connection:
        return morning_in(connection, where, night)


def morning_in(connection: Connection | None, where: Place, night: str | None) -> Morning:
    """The same of an open history; None for one that is not there.

    Raises:
        ConfigError: There is no such night.
    """
    row = None if connection is None else _night(connection, night)
    if connection is None or row is None:
        named = "no night of a farm" if night is None else f"no night is called {night!r}"
        raise ConfigError(f"{where}: {named}; `edgeprune farm run PLAN` makes one")
    return _read(connection, row)


def newest_night(connection: Connection, plan: str) -> str:
    """Name of the newest night of a plan that has one."""
    statement = select(NIGHTS.c.night).where(NIGHTS.c.plan == plan)
    newest = statement.order_by(NIGHTS.c.began_ms.desc()).limit(1)
    return str(connection.execute(newest).scalar_one())


def _night(connection: Connection, name: str | None) -> RowMapping | None:
    statement = select(NIGHTS).order_by(NIGHTS.c.began_ms.desc()).limit(1)
    if name is not None:
        statement = statement.where(NIGHTS.c.night == name)
    return connection.execute(statement).mappings().first()


def _read(connection: Connection, night: RowMapping) -> Morning:
    jobs = _jobs(connection, night["night"])
    runs = {job.run for job in jobs if job.run is not None}
    measured = {job.run for job in jobs if job.run is not None and job.kind != Kind.GOLDEN}
    series = ended_by(series_of(connection), runs)
    return Morning(
        night=night["night"],
        plan=night["plan"],
        began_utc=time_utc(night["began_ms"]) or "",
        ended_utc=time_utc(night["ended_ms"]),
        jobs=tuple(jobs),
        figures=tuple(_figures(series, runs)),
        changes=tuple(changes(connection, night["night"], series, measured)),
        devices=tuple(_devices(connection, jobs)),
    )


def _jobs(connection: Connection, night: str) -> list[Job]:
    statement = (
        select(JOBS, RESULTS.c.run, RESULTS.c.device.label("ran_on"))
        .join_from(JOBS, RESULTS, JOBS.c.job == RESULTS.c.job, isouter=True)
        .where(JOBS.c.night == night, JOBS.c.kind != Kind.CONFIRM.value)
        .order_by(JOBS.c.number)
    )
    names = ("job", "kind", "model_path", "board", "state", "error_kind", "message")
    return [
        Job(
            **{name: row[name] for name in names},
            recipe=recipe_in_words(row["recipe"], row["options"]),
            device=row["ran_on"] or row["device"],
            run=row["run"],
        )
        for row in connection.execute(statement).mappings()
    ]


def _figures(series: Series, runs: set[int]) -> list[Figure]:
    figures = []
    for key, nights in series.items():
        for number, night in enumerate(nights):
            if night.run_id not in runs:
                continue
            before = [one.value for one in nights[max(0, number - USUAL_NIGHTS) : number]]
            usual = statistics.median(before) if before else None
            percent = 100 * (night.value - usual) / usual if usual else None
            figures.append(
                Figure(
                    model=PurePath(key.model_path).name,
                    model_path=key.model_path,
                    recipe=key.recipe,
                    board=key.board,
                    device=key.device,
                    metric=key.metric,
                    value=night.value,
                    usual=usual,
                    percent=percent,
                    run=night.run_id,
                )
            )
    return sorted(figures, key=_place)


def _place(one: Figure) -> tuple[str, ...]:
    return one.model_path, one.recipe, one.board, one.device, one.metric


def _devices(connection: Connection, jobs: list[Job]) -> list[Device]:
    done = Counter(job.device for job in jobs if job.state == "done")
    boards = {job.board for job in jobs}
    statement = select(DEVICES).where(DEVICES.c.board.in_(boards)).order_by(DEVICES.c.device)
    names = ("device", "board", "host", "state", "quarantine_reason", "troubles")
    return [
        Device(
            **{name: row[name] for name in names},
            message=row["state_message"],
            seen_utc=time_utc(row["seen_ms"]),
            quarantined_utc=time_utc(row["quarantined_ms"]),
            done=done[row["device"]],
        )
        for row in connection.execute(statement).mappings()
    ]


def time_utc(at_ms: int | None) -> str | None:
    """An instant of the farm's tables, ISO 8601 in UTC; None stays None."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
