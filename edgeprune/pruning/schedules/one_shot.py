"""The schedule ``one_shot``: everything is pruned at the start, and the rest is trained."""

from __future__ import annotations

from edgeprune.pruning.schedules.base import SCHEDULES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.schedule import Moment, SinglePass


@SCHEDULES.register
class OneShot(SinglePass):
    """Masks are made once, of the weights as they come.

    Source: Han et al. 2015, "Learning both Weights and Connections", section 3, with one iteration.
    """

    def __init__(self, table: PruneTable, steps_per_epoch: int) -> None:
        super().__init__(table.epochs, steps_per_epoch)

    def is_due(self, step: int) -> bool:
        """See :class:`Schedule`."""
        return step == 0

    def prepare(self, moment: Moment) -> None:
        """See :class:`Schedule`."""
        moment.masks.update()
