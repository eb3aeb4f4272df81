"""The criterion ``l1``: units whose weights are smallest in sum go first."""

from __future__ import annotations

import numpy as np

from edgeprune.channels.criteria.base import CRITERIA, kernels, mean_of_members
from edgeprune.channels.evidence import Evidence, Scores
from edgeprune.channels.groups import Group


@CRITERIA.register
def l1(group: Group, evidence: Evidence) -> Scores | None:
    """Sum of magnitudes of each unit's weights, averaged over the kernels of the group.

    Source: Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.1, there for the
    kernel that makes the channel alone.
    """
    return mean_of_members(kernels(group), lambda values: np.abs(values).sum(axis=1))
