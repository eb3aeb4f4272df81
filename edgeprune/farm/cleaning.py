"""Removes what nights leave on a host: folders of attempts, and kept files that nothing needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, inspect, select

from edgeprune.farm.job import Kind
from edgeprune.farm.kept import Removed, remove_files, remove_nights
from edgeprune.history import database
from edgeprune.history.farm_tables import JOBS, NIGHTS, RESULTS
from edgeprune.history.place import place
from edgeprune.history.tables import FIGURES, RUNS

FOLDER_NIGHTS = 7
"""Nights of each plan whose folders stay. Source: ours, a week."""

FILE_NIGHTS = 14
"""Nights after which a file that no re-run can need goes. Source: ours."""

RERUN_NIGHTS = 8
"""Newest nights of a series whose files a re-run may need. Source: a change lies among the last
three, was left open for four at most, and is compared with one up to three nights before it."""

ENDED_DAYS = 60
"""A series without a run for so long is over. Source: ours."""

_DAY_S = 86_400.0


@dataclass(frozen=True)
class LeftOver:
    """What may go.

    Attributes:
        nights: Names of the nights whose folders stay.
        files: Digests of the files that stay whatever happens.
        keep_s: Files that were used within so many seconds stay while there is room.
    """

    nights: frozenset[str]
    files: frozenset[str]
    keep_s: float


def left_over(connection: Connection, now_ms: int) -> LeftOver:
    """What the history says of what is needed.

    Args:
        connection: To the history.
        now_ms: The present moment.
    """
    rows = connection.execute(
        select(NIGHTS.c.night, NIGHTS.c.plan, NIGHTS.c.began_ms).order_by(NIGHTS.c.began_ms.desc())
    ).all()
    seen: Counter[str] = Counter()
    stay = []
    for night, plan, _ in rows:
        seen[plan] += 1
        if seen[plan] <= FOLDER_NIGHTS:
            stay.append(night)
    oldest_ms = rows[min(FILE_NIGHTS, len(rows)) - 1].began_ms if rows else now_ms
    keep_s = max(0.0, (now_ms - oldest_ms) / 1000)
    return LeftOver(frozenset(stay), frozenset(_needed(connection, now_ms)), keep_s)


def clean(left: LeftOver, *, dry_run: bool = False) -> Removed:
    """Removes it from this host."""
    nights = remove_nights(left.nights, dry_run=dry_run)
    files = remove_files(left.files, left.keep_s, dry_run=dry_run)
    return _both(nights, files)


def clean_older(keep_days: float, *, dry_run: bool = False) -> Removed:
    """Removes folders of nights that are older than some days, and files unused for as long.

    Args:
        keep_days: Of both.
        dry_run: Remove nothing.

    Raises:
        ConfigError: The history cannot be read.
    """
    keep_s = keep_days * _DAY_S
    needed: set[str] = set()
    with database.reading(place()) as connection:
        if connection is not None and inspect(connection).has_table(RESULTS.name):
            now_ms = round(1000 * datetime.now(UTC).timestamp())
            needed = _needed(connection, now_ms)
    nights = remove_nights([], keep_s, dry_run=dry_run)
    return _both(nights, remove_files(needed, keep_s, dry_run=dry_run))


def _both(nights: Removed, files: Removed) -> Removed:
    trouble = "; ".join(filter(None, (nights.trouble, files.trouble)))
    return Removed(files.files, nights.nights, nights.bytes + files.bytes, trouble)


def _needed(connection: Connection, now_ms: int) -> set[str]:
    """Digests of the files of the newest nights of each series that goes on."""
    since = datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(days=ENDED_DAYS)
    series = (RUNS.c.board, RUNS.c.device, RUNS.c.model_path, JOBS.c.recipe, JOBS.c.options)
    age = func.row_number().over(partition_by=series, order_by=RUNS.c.id.desc()).label("age")
    runs = (
        select(FIGURES.c.file_sha256, age)
        .join_from(RUNS, RESULTS, RESULTS.c.run == RUNS.c.id)
        .join(JOBS, JOBS.c.job == RESULTS.c.job)
        .join(FIGURES, FIGURES.c.run_id == RUNS.c.id)
        .where(JOBS.c.kind == Kind.MEASURE.value, RUNS.c.time_utc >= since.isoformat())
        .where(FIGURES.c.variant == "deployed", FIGURES.c.metric == "bytes")
        .subquery()
    )
    newest = select(runs.c.file_sha256).where(runs.c.age <= RERUN_NIGHTS).distinct()
    return {sha256 for sha256 in connection.execute(newest).scalars() if sha256}
