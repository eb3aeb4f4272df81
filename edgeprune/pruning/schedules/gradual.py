"""The schedule ``gradual``: sparsity grows over the first half of the training."""

from __future__ import annotations

from edgeprune.pruning.masks.ramp import cubic_sparsity, ramp_steps, update_steps
from edgeprune.pruning.schedules.base import SCHEDULES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.schedule import Moment, SinglePass


@SCHEDULES.register
class Gradual(SinglePass):
    """Masks follow :func:`cubic_sparsity`, and stay for the second half.

    The learning rate stays at its start while the sparsity grows, and falls from then on: what is
    left must learn most when the last weights have gone. Source: Renda et al. 2020, "Comparing
    Rewinding and Fine-tuning in Neural Network Pruning", for the high rate behind a pruning; ours,
    for where it begins to fall (``docs/pruning.md``, "Learning rate").
    """

    def __init__(self, table: PruneTable, steps_per_epoch: int) -> None:
        super().__init__(table.epochs, steps_per_epoch)
        self._due = set(update_steps(self.total))

    def is_due(self, step: int) -> bool:
        """See :class:`Schedule`."""
        return step in self._due

    def prepare(self, moment: Moment) -> None:
        """See :class:`Schedule`."""
        moment.masks.update(cubic_sparsity(moment.step, ramp_steps(self.total), 1.0))

    def position(self, step: int) -> float:
        """See :class:`Schedule`."""
        ramp = ramp_steps(self.total)
        return max(0, step - ramp) / (self.total - ramp)

    def settled_until(self, steps: int) -> int | None:
        """See :class:`Schedule`."""
        return self.total if steps > ramp_steps(self.total) else None
