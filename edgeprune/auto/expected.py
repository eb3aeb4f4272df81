"""What a network is expected to lose by a training, learnt from those that were seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.auto.moves import Node, Shape

PRIOR_THINNED, PRIOR_EMPTIED = 0.02, 0.004
"""Loss by the square of :attr:`Shape.thinned` and of :attr:`Shape.emptied`, before any was seen.

Half of the multiply-accumulates then cost one point, a quarter four; 80 % zeros cost one point, and
90 % two.
Source: ours, as the published curves run: ResNet-50 at 80 and 90 % zeros in RigL's table.
"""

BASE_SPREAD = 0.02
"""Standard deviation of what training as such brings or costs. Source: ours."""

SCATTER = 0.007
"""Standard deviation of one observed loss around the curve, in the same unit. Source: ours."""

MIN_SPREAD = 0.004
"""Of any expectation: two trainings of one network differ by as much. Source: ours."""

STEP_SPREAD = 0.5
"""Standard deviation of a further loss, as a share of it. Source: ours."""

MAX_SPREAD = 0.015
"""Of any expectation: a network that should lose ten points does not keep one. Source: ours."""

PARENT_SHARE = 0.7
"""How much of what a network loses beyond the curve its children keep. Source: ours."""

SCREENED_STAYS = 0.1
"""Share of what is lost at once that training does not bring back. Source: ours."""

SCREENED_TRUST = 2.0
"""How many times more or less than the prior a screening may say. Source: ours."""

LONGER_REGAINS = 0.3
"""Share of its loss that a network regains by being trained once more. Source: ours."""


@dataclass(frozen=True)
class Expectation:
    """A normal distribution of a loss.

    Attributes:
        mean: In the unit of :func:`edgeprune.tasks.drop`.
        spread: Its standard deviation; > 0.
    """

    mean: float
    spread: float

    def at_most(self, loss: float) -> float:
        """Probability of a loss of at most so much."""
        return 0.5 * (1 + math.erf((loss - self.mean) / (self.spread * math.sqrt(2))))


class Expected:
    """The curve of loss against what is left, by least squares with a prior.

    A loss is taken to be ``base + thinned_cost * thinned**2 + emptied_cost * emptied**2``. Source
    of the form: ours; published curves of accuracy fall about so, in the logarithm of what is left.
    """

    def __init__(self) -> None:
        """Nothing was seen."""
        self._seen: dict[Node, float] = {}
        self._prior = np.array([0.0, PRIOR_THINNED, PRIOR_EMPTIED])
        self._curve = self._prior

    def screen(self, shape: Shape, lost: float) -> None:
        """Learns what a shape loses at once, without training: in which way little may be lost.

        Args:
            shape: With channels removed, or with zeros, and not both.
            lost: Beside the user's model.
        """
        k = 1 if shape.macs < 1 else 2
        plain = np.array([0.0, PRIOR_THINNED, PRIOR_EMPTIED])
        expected = float(_features(shape) @ plain)
        told = SCREENED_STAYS * max(0.0, min(lost, 1.0)) / expected
        self._prior = self._prior.copy()
        self._prior[k] = plain[k] * min(SCREENED_TRUST, max(1 / SCREENED_TRUST, told))
        self._curve = self._prior

    def observe(self, node: Node, loss: float) -> None:
        """Learns what a trained network lost, stored as float32.

        Args:
            node: A network that was trained; others tell nothing.
            loss: Beside the user's model; not finite where it lost all.
        """
        if not node.is_trained:
            return
        self._seen[node] = min(loss, 1.0) if math.isfinite(loss) else 1.0
        prior = self._prior
        spreads = np.array([BASE_SPREAD, *prior[1:]])
        rows = np.array([_features(one.shape) for one in self._seen])
        losses = np.array(list(self._seen.values()))
        # What is far beyond any use says little about where it begins: it counts less.
        weights = 1 / (SCATTER + np.maximum(losses, 0) / 3) ** 2
        left = (rows * weights[:, None]).T @ rows + np.diag(spreads**-2.0)
        right = (rows * weights[:, None]).T @ losses + prior * spreads**-2.0
        curve = np.linalg.solve(left, right)
        # Removing more never helps: a slope below a tenth of the prior's is an accident.
        self._curve = np.array([curve[0], *np.maximum(curve[1:], 0.1 * prior[1:])])

    def child(self, parent: Node, child: Node) -> Expectation:
        """What a network will lose that comes of another one by a training.

        Args:
            parent: The user's model, or a network that was seen.
            child: What comes of it.
        """
        before = self._seen.get(parent)
        if before is None:
            mean = self._at(child.shape)
            return Expectation(mean, _spread(mean - self._curve[0]) + BASE_SPREAD / 4)
        if child.shape == parent.shape:
            regained = LONGER_REGAINS * max(0.0, before - min(0.0, float(self._curve[0])))
            return Expectation(before - regained, _spread(regained))
        further = self._at(child.shape) - self._at(parent.shape)
        beyond = before - self._at(parent.shape)
        return Expectation(self._at(child.shape) + PARENT_SHARE * beyond, _spread(further))

    def believed(self, node: Node, lost: float, error: float) -> tuple[float, float]:
        """What a network is believed to lose, after it was judged on some samples.

        The mean of what was expected and what was seen, each by the inverse of its variance, where
        that is worse than what was seen: luck is told from skill, and nothing else is.
        Source: the posterior of a normal distribution with a normal prior.

        Args:
            node: A network whose parent was seen.
            lost: Seen, stored as float32.
            error: Its standard error.

        Returns:
            The mean, and its standard deviation.
        """
        if not node.is_trained or not math.isfinite(lost) or not error:
            return lost, error
        before = self.child(node.parent, node)
        share = before.spread**2 / (before.spread**2 + error**2)
        return max(lost, share * lost + (1 - share) * before.mean), error

    def _at(self, shape: Shape) -> float:
        return float(_features(shape) @ self._curve)


def _features(shape: Shape) -> FloatArray:
    return np.array([1.0, shape.thinned**2, shape.emptied**2])


def _spread(further: float) -> float:
    return math.hypot(MIN_SPREAD, min(MAX_SPREAD, STEP_SPREAD * abs(further)))
