"""The schedule ``rigl``: sparse from the start, and weights move to where they matter."""

from __future__ import annotations

import math

import numpy as np

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.errors import ModelError
from edgeprune.models.keras.weights import Weight
from edgeprune.pruning.patterns import pattern
from edgeprune.pruning.schedules.base import SCHEDULES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.schedule import Moment, SinglePass

ALPHA = 0.3
"""Share of the kept weights that the first update moves. Source: as :class:`RigL`, section 4."""

INTERVAL_STEPS = 100
"""Steps between updates. Source: as :class:`RigL`, section 4."""

END_SHARE = 0.75
"""Share of the training after which nothing moves. Source: as :class:`RigL`, section 4."""

LEAST_UPDATES = 10
"""A training shorter than so many intervals gets shorter intervals. Source: ours."""


@SCHEDULES.register
class RigL(SinglePass):
    """Every so many steps the smallest weights go, and as many return where gradients are largest.

    Returning weights start at zero, with nothing in the optimizer's memory. Dense gradients are
    computed before those steps only. Layers keep the sparsity that their allocation gave them.

    The first masks keep the largest weights of the model as it comes, where the paper draws them
    at random: a model that was trained before would lose what it knows.

    Source: Evci et al. 2020, "Rigging the Lottery: Making All Tickets Winners", section 3.

    Raises:
        ModelError: The pattern is N of M, which leaves weights nowhere to move to.
    """

    def __init__(self, table: PruneTable, steps_per_epoch: int) -> None:
        super().__init__(table.epochs, steps_per_epoch)
        if ":" in table.pattern:
            raise ModelError(
                f"the schedule rigl moves weights freely, and the pattern {table.pattern} fixes "
                "how many each group has: use the schedule gradual"
            )
        self._end = int(self.total * END_SHARE)
        self._interval = max(1, min(INTERVAL_STEPS, self._end // LEAST_UPDATES))

    def is_due(self, step: int) -> bool:
        """See :class:`Schedule`."""
        return step == 0 or (step < self._end and step % self._interval == 0)

    def prepare(self, moment: Moment) -> None:
        """See :class:`Schedule`."""
        masks = moment.masks
        if moment.step == 0:
            masks.update()
            return
        gradients = moment.trainer.gradients(
            [weight.variable for weight in masks.weights], moment.x, moment.y, moment.taught
        )
        moved = {}
        share = moved_share(moment.step, self._end)
        for weight, gradient in zip(masks.weights, gradients, strict=True):
            kept = masks.masks[weight.name]
            moved[weight.name] = rigged(weight, kept, masks.final[weight.name], share, gradient)
            moment.trainer.forget(weight.variable, moved[weight.name] & ~kept)
        masks.set(moved)


def moved_share(step: int, end: int) -> float:
    """Share of the kept weights that are moved before a step.

    ``alpha / 2 (1 + cos(pi t / T_end))``. Source: as :class:`RigL`, section 3 (2).

    >>> [round(moved_share(t, 100), 3) for t in (0, 50, 100)]
    [0.3, 0.15, 0.0]
    """
    return ALPHA / 2 * (1 + math.cos(math.pi * step / end))


def rigged(
    weight: Weight, kept: BoolArray, sparsity: float, share: float, gradient: FloatArray
) -> BoolArray:
    """The mask after ``share`` of the kept weights moved, of the weight's shape.

    What was dropped may return at once, where its gradient is among the largest.

    Args:
        weight: With its values as they are.
        kept: The mask so far, of the weight's shape.
        sparsity: Share of zeros in both masks.
        share: In [0, 1).
        gradient: Slope of the loss by every weight, masked ones too; of the weight's shape.

    Raises:
        ModelError: A weight or a gradient is NaN, or the pattern does not fit.
    """
    shape = pattern(weight.pattern)
    # Kept weights that are zero still come before masked ones.
    tiny = np.finfo(np.float32).tiny
    held = weight.as_matrix(np.where(kept, np.abs(weight.value()) + tiny, 0))
    core = shape.mask(held, 1 - (1 - sparsity) * (1 - share), weight.in_channels)
    pull = np.abs(weight.as_matrix(gradient))
    pull = pull / max(float(pull.max()), float(tiny))  # at most 1, so that the core stays
    scores = np.where(core, np.float32(2), pull)
    return np.asarray(weight.as_tensor(shape.mask(scores, sparsity, weight.in_channels)), np.bool_)
