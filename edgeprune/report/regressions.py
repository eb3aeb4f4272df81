"""What got worse between two results by more than a limit, and what none could be held against."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.report.compare import COSTS, Change, subject
from edgeprune.tasks import METRICS


@dataclass(frozen=True)
class Limits:
    """How much worse a result may be before that counts as a regression.

    Attributes:
        percent: Of any figure, in percent; in points for top-1 accuracy. None checks nothing.
        instructions_percent: How many more instructions, in percent, in place of ``percent``; None
            leaves them to it. Counts repeat, so this may be as little as ``SAME_COUNT`` in
            :mod:`edgeprune.report.compare`.
    """

    percent: float | None = None
    instructions_percent: float | None = None

    @property
    def are_set(self) -> bool:
        """Whether anything is to be checked."""
        return self.percent is not None or self.instructions_percent is not None

    def of(self, metric: str) -> float | None:
        """The limit of a figure, by its key in ``result.json``; None where it has none."""
        if metric == "instructions" and self.instructions_percent is not None:
            return self.instructions_percent
        return self.percent


_UNCOUNTED = "neither was counted: instructions are, on emulated boards"


def regressions(changes: list[Change], limits: Limits) -> list[Change]:
    """What got worse by more than its limit, by more than chance.

    Args:
        changes: From :func:`compare`. Only the deployed variant counts: the dense one is a control.
        limits: What is allowed. What rose from 0, as an error may, is beyond any.
    """
    return [
        change
        for change in changes
        if change.variant == subject(changes)
        and change.verdict == "worse"
        and (limit := limits.of(change.metric)) is not None
        and (change.percent is None or abs(change.percent) > limit)
    ]


def unchecked(changes: list[Change], limits: Limits) -> list[Change]:
    """Costs and scores of the deployed variant that no limit can be held against.

    A score that only the newer result has is no loss. Where instructions alone are limited, they
    must have been counted.
    """
    own = [change for change in changes if change.variant == subject(changes)]
    if limits.percent is None and all(change.metric != "instructions" for change in own):
        own.append(Change(subject(changes), "instructions", None, None, None, why=_UNCOUNTED))
    return [
        change
        for change in own
        if limits.of(change.metric) is not None
        and (change.metric in COSTS or (change.metric in METRICS and change.base is not None))
        and change.verdict == "not measurable"
    ]
