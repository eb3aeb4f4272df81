"""The accuracy that may be lost, watched while a model is trained."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edgeprune.artifacts.arrays import Array


class Seen(NamedTuple):
    """A model at the end of an epoch.

    Attributes:
        sparsity: Share of masked weights.
        goodness: Minus what was lost beside the dense model on held-out samples, by the head that
            lost most; see :func:`edgeprune.tasks.worst_drop`.
        epochs_left: How long the sparsity stays so, or None while it grows.
        text: The scores in words.
    """

    sparsity: float
    goodness: float
    epochs_left: int | None
    text: str = ""


@dataclass(eq=False)
class DropLimit:
    """Keeps the best state that loses no more than is accepted.

    The sparsest state is the best one; among equally sparse ones, the most accurate.

    Attributes:
        floor: The goodness that must be kept: minus the accepted drop.
        seen: Every epoch so far.
        best: The epoch whose state is kept, or None.
        weights: The model's weights then.
        masks: The masks of that state, in the weights' order.
    """

    floor: float
    seen: list[Seen] = field(default_factory=list)
    best: Seen | None = None
    weights: list[Array] = field(default_factory=list)
    masks: list[Array] = field(default_factory=list)

    def is_better(self, now: Seen) -> bool:
        """Whether the state should be kept in place of the best one so far."""
        if not now.sparsity or not now.goodness >= self.floor:
            return False
        return self.best is None or now[:2] > self.best[:2]

    def keep(self, now: Seen, weights: list[Array], masks: list[Array]) -> None:
        """Keeps a state."""
        self.best, self.weights, self.masks = now, weights, masks


def is_lost(seen: Sequence[Seen], floor: float) -> bool:
    """Whether the floor will not be reached again, so that training may stop.

    The sparsity must be settled: it is not judged while it grows. Then it is lost where the floor
    is still missed though every epoch that is left gained as much as the best one since it
    settled, which is more than training with a falling learning rate brings. Source: ours.

    >>> is_lost([Seen(0.8, 0.70, 3), Seen(0.8, 0.72, 2)], floor=0.77)
    True
    >>> is_lost([Seen(0.8, 0.70, 3), Seen(0.8, 0.72, 2)], floor=0.75)
    False
    """
    last = seen[-1]
    if last.epochs_left is None or not last.sparsity or last.goodness >= floor:
        return False
    values: list[float] = []
    for one in reversed(seen):
        if one.sparsity != last.sparsity or one.epochs_left is None:
            break
        values.insert(0, one.goodness)
    gains = [b - a for a, b in itertools.pairwise(values)]
    if last.epochs_left and not gains:
        return False
    return last.goodness + last.epochs_left * max([0.0, *gains]) < floor
