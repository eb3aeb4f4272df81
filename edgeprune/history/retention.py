"""Removes old runs, but for those that something else stands on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from edgeprune.errors import ConfigError
from edgeprune.history import database
from edgeprune.history.farm_tables import CHANGES, JOBS, RESULTS
from edgeprune.history.place import place
from edgeprune.history.tables import FIGURES, RUNS

MIN_DAYS = 1

_BATCH = 500
"""Runs that are removed by one statement; SQLite takes 999 values and more."""


@dataclass(frozen=True)
class Pruned:
    """What became of the runs that were old enough.

    Attributes:
        removed: How many were removed, or would be.
        kept: How many stay although they are old: those of golden models, the newest of each file
            on each device, and those that the caller named.
    """

    removed: int
    kept: int


def prune(
    keep_days: float, named: frozenset[int] = frozenset(), *, dry_run: bool = False
) -> Pruned:
    """Removes runs that are older than some days.

    Kept all the same: every run of a golden model, which tells a device's noise; the newest run of
    each model on each device, which the next one is compared with; those that a change over nights
    names; and ``named``.

    Args:
        keep_days: Runs of so many days stay; :data:`MIN_DAYS` or more.
        named: Numbers of further runs to keep.
        dry_run: Remove nothing.

    Raises:
        ConfigError: ``keep_days`` is too low, or the history cannot be written.
    """
    if not keep_days >= MIN_DAYS:
        raise ConfigError(f"runs must be kept for {MIN_DAYS} day or more, got {keep_days:g}")
    limit = (datetime.now(UTC) - timedelta(days=keep_days)).isoformat(timespec="seconds")
    with database.writing(place()) as connection:
        old = set(connection.execute(select(RUNS.c.id).where(RUNS.c.time_utc < limit)).scalars())
        doomed = sorted(old - _needed(connection) - named)
        for start in range(0, 0 if dry_run else len(doomed), _BATCH):
            part = doomed[start : start + _BATCH]
            connection.execute(delete(RESULTS).where(RESULTS.c.run.in_(part)))
            connection.execute(delete(FIGURES).where(FIGURES.c.run_id.in_(part)))
            connection.execute(delete(RUNS).where(RUNS.c.id.in_(part)))
    return Pruned(len(doomed), len(old) - len(doomed))


def _needed(connection: Connection) -> set[int]:
    """Runs that others are compared with."""
    golden = (
        select(RESULTS.c.run)
        .join_from(RESULTS, JOBS, RESULTS.c.job == JOBS.c.job)
        .where(JOBS.c.kind == "golden")
    )
    keys = (RUNS.c.model_sha256, RUNS.c.board, RUNS.c.device)
    named = select(CHANGES.c.first_run).union(select(CHANGES.c.old_run), select(CHANGES.c.run))
    newest = select(func.max(RUNS.c.id)).group_by(*keys)
    return {
        number
        for query in (golden, named, newest)
        for number in connection.execute(query).scalars()
    }
