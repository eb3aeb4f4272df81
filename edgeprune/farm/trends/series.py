"""Goes through a series night by night: suspicions, re-runs, and levels that begin anew."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.farm.trends.confirmation import Rerun
from edgeprune.farm.trends.detectors import (
    WINDOW,
    Floats,
    Suspicion,
    scale_of,
    suspicion,
    suspicion_at,
)

MAX_DENIALS = 2
"""Re-runs that deny a change at one place before it is left alone there. Source: ours."""

SETTLED = 5
"""Nights for which a denied change has to last before it is taken as the device's new level."""

SETTLED_AWAY = 2.0
"""How far that level has to lie from the one before, in standard deviations. Source: ours."""

SAME_PLACE = 2
"""Nights by which the place of a change may be off. Source: ours."""


@dataclass(frozen=True)
class Decision:
    """What became of a suspicion on one night.

    Attributes:
        night: Index of the night on which it came up.
        first: Index of the first night after the change.
        old: Index of the night before it that the re-run compared with this one.
        effect: The suspected change as a logarithm.
        votes: Names of the detectors that saw it.
        rerun: What the re-run showed.
    """

    night: int
    first: int
    old: int
    effect: float
    votes: tuple[str, ...]
    rerun: Rerun

    @property
    def is_confirmed(self) -> bool:
        """Whether the re-run showed it too."""
        return self.rerun.is_confirmed


def level_starts(logs: Floats, decisions: Sequence[Decision]) -> list[int]:
    """Where a series has a new level: at confirmed changes, and at denied ones that last.

    A change that re-runs denied is none of the file's, yet a device may stay where it is.

    Args:
        logs: Logarithms of the figures so far, one a night.
        decisions: Those on earlier nights.
    """
    starts: list[int] = []
    for decision in decisions:
        before = logs[max(starts, default=0) : decision.first]
        after = logs[decision.first : decision.first + SETTLED]
        if decision.is_confirmed or _is_settled(before, after):
            starts.append(decision.first)
    return starts


def level_begin(values: Sequence[float], decisions: Sequence[Decision], first: int) -> int:
    """Where the level before a suspected change begins, :data:`WINDOW` nights back at most.

    Args:
        values: One figure a night, above 0, oldest first.
        decisions: What became of suspicions on earlier nights.
        first: Index of the first night after the change.
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    starts = [start for start in level_starts(logs, decisions) if start < first]
    return max([0, first - WINDOW, *starts])


def _is_settled(before: Floats, after: Floats) -> bool:
    """Whether nights after a denied change are a level of their own."""
    if not len(before) or len(after) < SETTLED:
        return False
    away = np.abs(after - np.median(before)) / scale_of([before])
    return bool(np.sort(away)[1] >= SETTLED_AWAY)  # one of five may be a wild one


@dataclass(frozen=True)
class Asked:
    """What a re-run is to tell.

    Attributes:
        first: Index of the first night after the suspected change.
        old: Index of a night that lies surely before it, and behind all that was told.
        effect: The suspected change as a logarithm.
        votes: Names of the detectors that saw it.
    """

    first: int
    old: int
    effect: float
    votes: tuple[str, ...]


def suspected_tonight(
    values: Sequence[float], decisions: Sequence[Decision] = ()
) -> tuple[int, Suspicion] | None:
    """What the newest night of a series makes one suspect.

    Args:
        values: One figure a night, above 0, oldest first, tonight's last.
        decisions: What became of suspicions on earlier nights.

    Returns:
        Index of the first night after the suspected change, and the suspicion; None for none.
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    found = suspicion(_stretches(logs, level_starts(logs, decisions)))
    if found is None:
        return None
    first = len(logs) - found.nights
    return None if _is_decided(first, decisions) else (first, found)


def _is_decided(first: int, decisions: Sequence[Decision]) -> bool:
    """Whether a re-run that was told is of these nights too, or enough denied this place."""
    is_told = any(one.is_confirmed and first <= one.night for one in decisions)
    denials = sum(one.first == first and not one.is_confirmed for one in decisions)
    return is_told or denials >= MAX_DENIALS


def _stretches(logs: Floats, starts: Sequence[int]) -> list[Floats]:
    edges = sorted({0, *starts, len(logs)})
    return [logs[low:high] for low, high in itertools.pairwise(edges)]


def followed(values: Sequence[float], rerun: Callable[[int, int], Rerun]) -> list[Decision]:
    """All decisions on a series, made night by night as a farm makes them.

    Args:
        values: One figure a night, above 0, oldest first.
        rerun: As for :func:`decided_tonight`.
    """
    decisions: list[Decision] = []
    for night in range(len(values)):
        decision = decided_tonight(values[: night + 1], decisions, rerun)
        if decision is not None:
            decisions.append(decision)
    return decisions


def decided_tonight(
    values: Sequence[float], decisions: Sequence[Decision], rerun: Callable[[int, int], Rerun]
) -> Decision | None:
    """What becomes of the newest night; None where it makes nobody suspicious.

    Args:
        values: One figure a night, above 0, oldest first, tonight's last.
        decisions: Those on earlier nights.
        rerun: Measures old and new side by side; takes the indices of a night that lies surely
            before the suspected change, and behind all that was told, and of tonight.
    """
    asked = asked_tonight(values, decisions)
    if asked is None:
        return None
    return answered(values, asked, rerun(asked.old, len(values) - 1))


def asked_tonight(values: Sequence[float], decisions: Sequence[Decision]) -> Asked | None:
    """What has to be measured again because of the newest night; None where nothing has.

    Args:
        values: One figure a night, above 0, oldest first, tonight's last.
        decisions: Those on earlier nights.
    """
    suspected = suspected_tonight(values, decisions)
    if suspected is None:
        return None
    first, seen = suspected
    told = max((one.night for one in decisions if one.is_confirmed), default=0)
    return Asked(first, max(told, first - 1 - SAME_PLACE), seen.effect, seen.votes)


def asked_at(values: Sequence[float], decisions: Sequence[Decision], first: int) -> Asked | None:
    """What has to be measured again because the file changed on a night, and the figure seems to.

    Args:
        values: One figure a night, above 0, oldest first, tonight's last.
        decisions: Those on earlier nights.
        first: Index of the first night with the file of tonight.
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    stretches = _stretches(logs, level_starts(logs, decisions))
    found = suspicion_at(stretches, len(logs) - first)
    if found is None or _is_decided(first, decisions):
        return None
    return Asked(first, first - 1, found.effect, found.votes)


def answered(
    values: Sequence[float], asked: Asked, rerun: Rerun, first: int | None = None
) -> Decision:
    """The decision that a re-run brings.

    Args:
        values: One figure a night, above 0, oldest first, tonight's last.
        asked: Of these nights.
        rerun: What it showed.
        first: Index of the first night after the change where that is known; None where it is to
            be found by the figures.
    """
    if first is None or not rerun.is_confirmed:
        is_to_find = rerun.is_confirmed
        first = located(values, asked.first, rerun.factor) if is_to_find else asked.first
    return Decision(len(values) - 1, first, asked.old, asked.effect, asked.votes, rerun)


def located(values: Sequence[float], first: int, factor: float) -> int:
    """Where a confirmed change lies, now that its size is known.

    Args:
        values: One figure a night, above 0, oldest first, tonight's last.
        first: Index of the first night after the change, as it was suspected.
        factor: New over old, as the re-run showed it.

    Returns:
        The index within :data:`SAME_PLACE` nights of ``first`` with the least sum of distances.
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    low = max(1, first - SAME_PLACE)
    away = np.abs(logs - np.median(logs[max(0, low - WINDOW) : low]))
    moved = np.abs(logs - np.median(logs[max(0, low - WINDOW) : low]) - np.log(factor))
    places = range(low, min(first + SAME_PLACE, len(logs) - 1) + 1)
    return min(places, key=lambda place: away[low:place].sum() + moved[place:].sum())
