"""Each layer's sparsity from its curve: least total loss within a budget, and none of it unused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeprune.pruning.budget.curve import Curve
from edgeprune.pruning.budget.least_loss import least_loss

DoubleArray = NDArray[np.float64]

_HALVINGS = 50
_PENALTIES = (-6.0, 6.0)  # exponents of 10, of a share of the uniform choice's loss


@dataclass(frozen=True, eq=False)
class Budget:
    """What all layers together may use.

    Attributes:
        used: By each layer at each point of its curve, never rising; straight lines between.
        most: Of all layers.
    """

    used: Sequence[DoubleArray]
    most: float

    def holds(self, curves: Sequence[Curve], shares: Sequence[float]) -> bool:
        """Whether the layers at these sparsities keep to it."""
        total = sum(
            float(np.interp(share, each.sparsities, used))
            for each, used, share in zip(curves, self.used, shares, strict=True)
        )
        return total <= self.most * (1 + 1e-12)


def shares_within(
    curves: Sequence[Curve], sparsity: float, budget: Budget, other: Budget | None = None
) -> list[float]:
    """Each layer's sparsity: least total loss within one budget, or two.

    A point of each curve is chosen first, with dynamic programming on the first budget. For the
    second one, what it limits is taken for a loss as well, as little as will do. What is left over,
    because points are apart, then goes to all layers alike: densities grow by one factor.

    Args:
        curves: The layers'.
        sparsity: Of all layers alike; keeps to both budgets, and is taken if no choice loses less.
        budget: What is exact.
        other: What holds as well, or None.
    """
    everywhere = [sparsity] * len(curves)

    def loss(shares: Sequence[float]) -> float:
        return sum(each.loss(share) for each, share in zip(curves, shares, strict=True))

    def chosen(penalty: float) -> list[float]:
        losses = [each.losses for each in curves]
        if other is not None:
            losses = [
                loss + penalty * used / other.most
                for loss, used in zip(losses, other.used, strict=True)
            ]
        points = least_loss(losses, budget.used, budget.most)
        return [float(each.sparsities[k]) for each, k in zip(curves, points, strict=True)]

    shares = chosen(0.0)
    if other is not None and not other.holds(curves, shares):
        unit = max(loss(everywhere), 1e-12)
        lax, strict = _PENALTIES
        exponent = -largest(
            lambda e: other.holds(curves, chosen(unit * 10**-e)), -strict, -lax, halvings=20
        )
        shares = chosen(unit * 10**exponent)
    budgets = [one for one in (budget, other) if one is not None]
    if loss(shares) >= loss(everywhere) or not all(b.holds(curves, shares) for b in budgets):
        shares = everywhere
    factor = largest(
        lambda f: all(one.holds(curves, _denser(shares, f)) for one in budgets),
        1.0,
        1 / min(1 - share for share in shares),
    )
    return _denser(shares, factor)


def largest(
    is_good: Callable[[float], bool], low: float, high: float, halvings: int = _HALVINGS
) -> float:
    """The largest number in an interval that is good, where all below it are; ``low`` if none is.

    >>> round(largest(lambda number: number**2 <= 2, 0, 10), 9)
    1.414213562
    """
    if is_good(high):
        return high
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if is_good(middle) else (low, middle)
    return low


def _denser(shares: Sequence[float], factor: float) -> list[float]:
    return [max(0.0, 1 - (1 - share) * factor) for share in shares]
