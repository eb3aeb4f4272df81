"""Where a series of nights changed, what became of it, and where only its conditions did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgeprune.farm.trends.nightly import EXACT, Key
from edgeprune.farm.trends.reasons import Night, reasons
from edgeprune.farm.trends.series import Decision
from edgeprune.morning.changes import verdict as verdict_of
from edgeprune.morning.data import Change

Verdict = Literal["worse", "better", "suspected", "denied", "conditions"]

SIGNS: dict[Verdict, str] = {
    "worse": "\u25b2",
    "better": "\u25bc",
    "suspected": "?",
    "denied": "\u00d7",
    "conditions": "\u25c6",
}
"""What stands over a change in a picture and before its line in the table."""


@dataclass(frozen=True)
class Mark:
    """Where something changed.

    Attributes:
        index: The first night after it.
        verdict: What is known of it; ``conditions`` where the figure did not change.
        percent: By how much new is above old, or None.
        reasons: What else changed on that night.
    """

    index: int
    verdict: Verdict
    percent: float | None
    reasons: tuple[str, ...]


def marks_of(
    key: Key, nights: Sequence[Night], decisions: Iterable[Decision], tonight: Iterable[Change]
) -> list[Mark]:
    """Where a series changed, what became of it, and where only its conditions did.

    Args:
        key: What the series is of.
        nights: Oldest first.
        decisions: What became of earlier suspicions.
        tonight: What is told of its newest night.
    """
    marks: dict[int, Mark] = {}
    for at in range(1, len(nights)):
        why = tuple(reasons(nights, at))
        old, new = nights[at - 1].value, nights[at].value
        if key.metric in EXACT and abs(new - old) > EXACT[key.metric] * old:
            factor = new / old if old else 1.0
            marks[at] = Mark(at, verdict_of(key.metric, factor), 100 * (factor - 1), why)
        elif why:
            marks[at] = Mark(at, "conditions", None, why)
    for one in decisions:
        factor, why = one.rerun.factor, tuple(reasons(nights, one.first))
        verdict = verdict_of(key.metric, factor) if one.is_confirmed else "denied"
        marks[one.first] = Mark(one.first, verdict, 100 * (factor - 1), why)
    index = {night.run_id: at for at, night in enumerate(nights)}
    for change in tonight:
        at = index.get(change.first_run, len(nights) - 1)
        marks[at] = Mark(at, change.verdict, change.percent, change.reasons)
    return [marks[at] for at in sorted(marks)]
