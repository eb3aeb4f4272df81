"""The schedule ``gradual``: sparsity grows over the first half of the training."""

from __future__ import annotations

from edgeprune.pruning.masks.ramp import cubic_sparsity, ramp_steps, update_steps
from edgeprune.pruning.schedules.base import SCHEDULES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.schedule import Moment, SinglePass


@SCHEDULES.register
class Gradual(SinglePass):
    """Masks follow :func:`cubic_sparsity`, and stay for the second half."""

    def __init__(self, table: PruneTable, steps_per_epoch: int) -> None:
        super().__init__(table.epochs, steps_per_epoch)
        self._due = set(update_steps(self.total))

    def is_due(self, step: int) -> bool:
        """See :class:`Schedule`."""
        return step in self._due

    def prepare(self, moment: Moment) -> None:
        """See :class:`Schedule`."""
        moment.masks.update(cubic_sparsity(moment.step, ramp_steps(self.total), 1.0))

    def settled_until(self, steps: int) -> int | None:
        """See :class:`Schedule`."""
        return self.total if steps > ramp_steps(self.total) else None
