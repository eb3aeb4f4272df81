"""Changes over nights within a night: each result is looked at, and suspicions are measured again.

The statistics need the extra ``farm``; where it is not installed, nothing is looked at.
"""

from __future__ import annotations

import functools
import importlib.util

from sqlalchemy import Connection, func, select

from edgeprune.farm.executor import Assignment, Ending
from edgeprune.farm.job import Kind
from edgeprune.farm.store import jobs, nights
from edgeprune.history.farm_tables import CHANGES, RESULTS

FREE_MS = 30 * 60_000
"""What re-runs on a device may take in a night without a deadline, however short it is. Ours."""

_PACKAGES = ("scipy", "ruptures")


@functools.cache
def missing() -> str:
    """Why changes over nights are not looked for, in one line; empty if they are."""
    absent = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    return (
        f"changes over nights are not looked for, which takes {' and '.join(absent)}: "
        "pip install 'edgeprune[farm]'"
    )


def follow(
    connection: Connection,
    assignment: Assignment,
    ending: Ending,
    night: nights.Night,
    *,
    now_ms: int,
    usable: int,
    share: float,
) -> list[str]:
    """Does what follows from a result: looks at it, or decides on what it was to tell.

    Args:
        connection: Inside the transaction that took it.
        assignment: The job, which is done.
        ending: With the result.
        night: The night.
        now_ms: The present moment.
        usable: How many devices of the board can be expected to take jobs.
        share: Largest share of the night for re-runs.

    Returns:
        A line for each change that it made one suspect, and for each decision.
    """
    if ending.run is None or ending.error_kind is not None or missing():
        return []
    from edgeprune.farm.trends import verdicts, watch

    if assignment.job.kind is Kind.MEASURE:
        terms = watch.Terms(night.name, night.deadline_ms, now_ms, usable, share)
        return watch.look_at(connection, assignment, ending.run, terms)
    if assignment.job.kind is Kind.CONFIRM:
        line, is_open = verdicts.decide(connection, assignment, ending, now_ms)
        if is_open:
            jobs.explain(connection, assignment.id, line)
        return [line]
    return []


def too_much(connection: Connection, night: nights.Night, device: str, share: float) -> str:
    """Why a device measures nothing again any more this night; empty where it may.

    Re-runs may take a share of the time from the night's begin to its deadline; without one, of
    what jobs took on the device, and :data:`FREE_MS` in any case.
    """
    spent = jobs.spent_ms(connection, night.name, device)
    if night.deadline_ms is not None:
        most_ms = share * (night.deadline_ms - nights.began_ms(connection, night.name))
    else:
        most_ms = max(FREE_MS, share / (1 - share) * spent.get(Kind.MEASURE, 0))
    if spent.get(Kind.CONFIRM, 0) < most_ms:
        return ""
    return f"re-runs have had their share of the night on {device} (confirm_share = {share:g})"


def regressions(connection: Connection, night: str) -> int:
    """How many changes for the worse are confirmed for what a night measured."""
    if missing():
        return 0
    from edgeprune.farm.trends.nightly import WORSE_WHEN_HIGHER

    changes = CHANGES.c
    return connection.execute(
        select(func.count())
        .select_from(CHANGES)
        .join(RESULTS, RESULTS.c.run == changes.run)
        .where(RESULTS.c.night == night, changes.is_confirmed == 1, changes.factor > 1)
        .where(changes.metric.in_(WORSE_WHEN_HIGHER))
    ).scalar_one()
