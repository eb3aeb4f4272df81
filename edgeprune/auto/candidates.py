"""Networks that a search has judged, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edgeprune.auto.goal import Cost, Goal
from edgeprune.auto.moves import Node
from edgeprune.tasks import ROUNDING

SURE = 1.0
"""Standard errors by which a loss must stay below its limit. Source: ours; 5 of 6 hold then."""


MAX_MARGIN = 0.5
"""Of a limit: where few samples have a larger error, nothing would ever hold. Source: ours."""


CLEAR = 2.0
"""Standard errors by which a gain is told from chance. Source: ours; 1 of 40 is chance then."""


def margin(error: float, limit: float, most: float = MAX_MARGIN) -> float:
    """By how much a loss must stay below a limit.

    Args:
        error: The loss's standard error.
        limit: The limit.
        most: Largest share of the limit.

    >>> margin(0.002, 0.01), margin(0.02, 0.01)
    (0.002, 0.005)
    """
    return min(SURE * error, most * abs(limit))


@dataclass(frozen=True)
class SecondLook:
    """What a network lost on the reported samples.

    Attributes:
        lost: Beside the user's model, in the unit of :func:`edgeprune.tasks.drop`.
        share: These samples' share of all that judged the network; above 0 and below 1.
        refused: Networks that these samples refused before: where many are tried, one is lucky.
    """

    lost: float
    share: float
    refused: int = 0


@dataclass(frozen=True)
class Candidate:
    """A network, stored in one way.

    Attributes:
        node: How it was trained.
        mode: How it is stored, in the words of ``[quantize]``.
        lost: What it lost beside the user's model on the samples that choose, in the unit of
            :func:`edgeprune.tasks.drop`; not finite where it lost all.
        error: Standard error of that, because the samples are few; 0 where it is exact.
        costs: What it takes, by board.
        kept_layers: Layers that stay more precise than ``mode``, by name.
        belief: What it is believed to lose on endlessly many samples, and the standard deviation of
            that: of many candidates the best one was lucky as well. None where nothing but ``lost``
            is known.
        second: A second look at it; None where there was none.
    """

    node: Node
    mode: str
    lost: float
    error: float
    costs: Mapping[str, Cost]
    kept_layers: Mapping[str, str] = field(default_factory=dict)
    belief: tuple[float, float] | None = None
    second: SecondLook | None = None

    @property
    def believed(self) -> float:
        """What it is believed to lose; see ``belief``."""
        return self.lost if self.belief is None else self.belief[0]

    @property
    def expected(self) -> float:
        """What it is expected to lose on further samples, by all looks that were taken."""
        second = self.second
        if second is None or not math.isfinite(second.lost):
            return self.believed if second is None else second.lost
        return (1 - second.share) * self.believed + second.share * second.lost

    def holds(self, limit: float) -> bool:
        """Whether it keeps a limit, sampling error allowed for, in all looks that were taken."""
        if not self.seems_to_hold(limit):
            return False
        second = self.second
        if second is None:
            return True
        return second.lost <= self.may_lose(limit, second.share, second.refused) + ROUNDING

    def seems_to_hold(self, limit: float) -> bool:
        """The same, by the samples that choose alone."""
        loss, doubt = self.belief or (self.lost, self.error)
        return loss + margin(doubt, limit) <= limit + ROUNDING

    def may_lose(self, limit: float, share: float, refused: int = 0) -> float:
        """What it may lose on further samples, so that all together say that it keeps a limit.

        Its mean loss over both sets, and a standard error of that more, must not exceed the limit:
        what few samples say of a network that was chosen by half of them is luck. That is at most
        the limit, and as much more for each network that they refused.

        Args:
            limit: The limit.
            share: The further samples' share of all; above 0 and below 1.
            refused: Networks that the further samples refused before.

        >>> of = lambda loss, error: Candidate(Node(), "none", loss, error, {})
        >>> round(of(0.002, 0.004).may_lose(0.01, 0.5), 4)
        0.01
        >>> round(of(0.002, 0.012).may_lose(0.01, 0.5), 4)
        0.001
        """
        mean = limit - margin(self.error * math.sqrt(1 - share), limit, 1.0 + refused)
        return min(limit, (mean - (1 - share) * self.believed) / share)

    def text(self) -> str:
        """The network in words."""
        parts = [] if self.node.shape.is_whole else [self.node.shape.text()]
        if self.node.shape.is_whole and self.node.is_trained:
            parts = ["nothing removed, trained further"]
        elif self.node.tunings:
            parts.append("trained longer")
        if self.node.is_rounded:
            parts.append("trained with rounding")
        if self.mode != "none":
            kept = f" but for {len(self.kept_layers)} layers" if self.kept_layers else ""
            parts.append(self.mode + kept)
        return ", ".join(parts) or "float32"


@dataclass(frozen=True)
class Judged:
    """All that was judged so far.

    Attributes:
        goal: What counts.
        dense: What the user's model takes as it is, by board.
        candidates: In the order in which they were judged; first the user's model as it is.
    """

    goal: Goal
    dense: Mapping[str, Cost]
    candidates: list[Candidate] = field(default_factory=list)

    def saving(self, candidate: Candidate, board: str) -> float | None:
        """As :meth:`Goal.saving`; None where the candidate is not for this board."""
        cost = candidate.costs.get(board)
        return None if cost is None else self.goal.saving(cost, self.dense[board])

    def is_best(self, candidate: Candidate, limit: float) -> bool:
        """Whether it would be taken for some board, by the samples that choose alone."""
        if not candidate.seems_to_hold(limit):
            return False
        savings = {board: self.saving(candidate, board) for board in self.dense}
        return any(
            saving is not None and saving > self.best_saving(board, limit)
            for board, saving in savings.items()
        )

    @property
    def refused(self) -> int:
        """How many networks a second look refused."""
        limit = self.goal.limit
        return sum(one.second is not None and not one.holds(limit) for one in self.candidates)

    def best_saving(self, board: str, limit: float) -> float:
        """The largest saving of those that hold a limit; 0 where the user's model stays."""
        savings = [
            saving
            for one in self.candidates
            if one.holds(limit) and (saving := self.saving(one, board)) is not None
        ]
        return max([0.0, *savings])

    def holders(self, board: str, limit: float) -> list[Candidate]:
        """Those that hold a limit and save something, what saves most first."""
        saved = [(self.saving(one, board), one) for one in self.candidates if one.holds(limit)]
        found = [(saving, one) for saving, one in saved if saving is not None and saving > 0]
        return [one for _, one in sorted(found, key=lambda pair: -pair[0])]

    def front(self, board: str) -> list[Candidate]:
        """Those that nothing else beats in both loss and saving; the most accurate first."""
        rows = [
            (one.lost, saving, one)
            for one in self.candidates
            if (saving := self.saving(one, board)) is not None and math.isfinite(one.lost)
        ]
        front: list[Candidate] = []
        most = -math.inf
        for _, saving, one in sorted(rows, key=lambda row: (row[0], -row[1])):
            if saving > most:
                front.append(one)
                most = saving
        return front

    def clearly_better(self) -> Candidate | None:
        """The user's model, trained further once, where that is better by more than chance.

        None where it gains less than the limit, or less than :data:`CLEAR` standard errors.
        """
        for one in self.candidates:
            is_tuned = one.mode == "none" and [move.kind for move in one.node.moves] == ["tune"]
            # It is no pick of the best of many, whose luck a belief allows for.
            if is_tuned and one.lost <= min(-self.goal.limit, -CLEAR * one.error) < 0:
                return one
        return None

    def closest(self, board: str) -> Candidate | None:
        """The one that lost least of those that the board can take and that save something."""
        able = [one for one in self.candidates if (self.saving(one, board) or 0.0) > 0]
        return min(able, key=lambda one: one.expected, default=None)


def hypervolume(points: Iterable[tuple[float, float]], loss: float, saving: float = 0.0) -> float:
    """Area between a front and a point that it should beat.

    Args:
        points: Loss and saving of networks.
        loss: The point's; networks that lose more count nothing.
        saving: The point's; networks that save less count nothing.

    Source: Zitzler and Thiele 1998, the size of the space covered.

    >>> round(hypervolume([(0.0, 1.0), (0.01, 2.0), (0.005, 0.5)], loss=0.02), 6)
    0.03
    """
    rows = sorted((a, b) for a, b in points if a < loss and b > saving)
    area, most = 0.0, saving
    for lost, saved in rows:
        if saved > most:
            area += (loss - lost) * (saved - most)
            most = saved
    return area


def losses_around(limit: float) -> Sequence[float]:
    """Losses at which a front is looked at: from a gain of as much to three times the limit.

    >>> [round(loss, 4) for loss in losses_around(0.01)]
    [-0.01, -0.005, 0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03]
    """
    return [limit * share for share in (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)]
