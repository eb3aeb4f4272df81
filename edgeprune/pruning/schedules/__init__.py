"""Schedules: when, during training, how much is pruned, and what else happens then."""

from __future__ import annotations

from edgeprune.pruning.schedules.base import SCHEDULES, Moment, Schedule
from edgeprune.pruning.spec import PruneSpec

__all__ = ["SCHEDULES", "Moment", "Schedule", "schedule"]


def schedule(spec: PruneSpec, steps_per_epoch: int) -> Schedule:
    """The schedule that a spec names, for epochs of so many steps.

    Raises:
        ModelError: There is no such schedule, or the spec asks it for what it cannot do.
    """
    made: Schedule = SCHEDULES.get(spec.schedule)(spec, steps_per_epoch)
    return made
