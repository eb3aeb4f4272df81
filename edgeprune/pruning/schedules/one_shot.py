"""The schedule ``one_shot``: everything is pruned at the start, and the rest is trained."""

from __future__ import annotations

from edgeprune.pruning.schedules.base import SCHEDULES, Moment, Whole


@SCHEDULES.register
class OneShot(Whole):
    """Masks are made once, of the weights as they come.

    Source: Han et al. 2015, "Learning both Weights and Connections", section 3, with one iteration.
    """

    def is_due(self, step: int) -> bool:
        """See :class:`Schedule`."""
        return step == 0

    def prepare(self, moment: Moment) -> None:
        """See :class:`Schedule`."""
        moment.masks.update()
