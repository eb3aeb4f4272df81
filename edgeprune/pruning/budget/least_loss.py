"""Picks one point of each layer's curve: the least total loss within a budget of cost.

Losses of layers are added up. That is an assumption: layers pruned together hurt each other, and
training afterwards mends some more than others. It is the usual one, because it makes the problem
a knapsack that dynamic programming solves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeprune.errors import ModelError

BUCKETS = 10_000
"""Steps of cost that are told apart.

Source: Frantar and Alistarh 2022, "SPDY: Accurate Pruning with Speedup Guarantees", section 3.1.
"""

DoubleArray = NDArray[np.float64]


def least_loss(
    losses: Sequence[DoubleArray],
    costs: Sequence[DoubleArray],
    budget: float,
    buckets: int = BUCKETS,
) -> list[int]:
    """Solves the knapsack in which each layer takes exactly one of its options.

    What is above a layer's cheapest option is rounded up to whole buckets, so the budget is never
    exceeded, and up to one bucket a layer of it may be left. Takes O(options * buckets) time.

    Source: SPDY, section 3.1, equation 2 and algorithm 1.

    Args:
        losses: For each layer an array ``(options,)``, finite.
        costs: The same shapes, finite and not negative.
        budget: In the costs' unit.
        buckets: Steps that the budget is divided in.

    Returns:
        The index of each layer's option.

    Raises:
        ModelError: Even the cheapest options exceed the budget.

    >>> one = np.array([0.0, 3.0]), np.array([5.0, 1.0])
    >>> two = np.array([0.0, 4.0]), np.array([5.0, 1.0])
    >>> least_loss([one[0], two[0]], [one[1], two[1]], 6.0)
    [1, 0]
    """
    least = sum(float(each.min()) for each in costs)
    room = budget - least
    if room < -1e-9 * max(1.0, abs(budget)):
        raise ModelError(f"a cost of {budget:g} cannot be kept: the least is {least:g}")
    steps = [_steps(each, max(room, 0.0), buckets) for each in costs]
    best = np.zeros(buckets + 1)  # least loss for every number of buckets that may be used
    taken = []
    for loss, step in zip(losses, steps, strict=True):
        found = np.full(buckets + 1, np.inf)
        choice = np.zeros(buckets + 1, np.int32)
        for option in np.flatnonzero(step <= buckets):
            used = int(step[option])
            total = best[: buckets + 1 - used] + loss[option]
            better = np.flatnonzero(total < found[used:]) + used
            found[better] = total[better - used]
            choice[better] = option
        best = found
        taken.append(choice)
    return _walked_back(taken, steps, buckets)


def _steps(costs: DoubleArray, room: float, buckets: int) -> NDArray[np.int64]:
    """Buckets that each option takes beyond the cheapest; too many where it does not fit."""
    extra = costs - costs.min()
    if room == 0:
        return np.where(extra > 0, buckets + 1, 0)
    steps = np.ceil(extra / room * buckets * (1 - 1e-12))
    return np.asarray(np.minimum(steps, buckets + 1), np.int64)


def _walked_back(
    taken: list[NDArray[np.int32]], steps: list[NDArray[np.int64]], buckets: int
) -> list[int]:
    left, chosen = buckets, []
    for choice, step in zip(reversed(taken), reversed(steps), strict=True):
        option = int(choice[left])
        chosen.append(option)
        left -= int(step[option])
    return chosen[::-1]
