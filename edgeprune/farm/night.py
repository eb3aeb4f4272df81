"""Which night it is: from noon to noon, so that a run after midnight goes on with its evening."""

from __future__ import annotations

import datetime

from edgeprune.farm.plan import Plan

_NOON = datetime.timedelta(hours=12)


def night_name(plan: Plan, now: datetime.datetime) -> str:
    """What the night of a moment is called: ``nightly 2026-11-29``.

    Args:
        plan: Whose night it is.
        now: With a time zone; the local date counts.
    """
    return f"{plan.name} {(now.astimezone() - _NOON).date().isoformat()}"
