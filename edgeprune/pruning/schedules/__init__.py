"""Schedules: when, during training, how much is pruned, and what else happens then."""

from __future__ import annotations

from edgeprune.pruning.schedules.base import SCHEDULES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.schedule import Schedule

__all__ = ["SCHEDULES", "schedule"]


def schedule(table: PruneTable, steps_per_epoch: int) -> Schedule:
    """The schedule that a table names, for epochs of so many steps.

    Raises:
        ModelError: There is no such schedule, or the table asks it for what it cannot do.
    """
    chosen: Schedule = SCHEDULES.get(table.schedule)(table, steps_per_epoch)
    return chosen
