"""The criterion ``bn_scale``: units that batch normalization scales down go first."""

from __future__ import annotations

import numpy as np

from edgeprune.channels.criteria.base import CRITERIA, mean_of_members
from edgeprune.channels.evidence import Evidence, Scores
from edgeprune.channels.groups import Group


@CRITERIA.register
def bn_scale(group: Group, evidence: Evidence) -> Scores | None:
    """Magnitude of gamma, averaged over the group's normalizations; None without any.

    Source: Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming",
    section 3.
    """
    scales = [member for member in group.members if member.role == "scale"]
    return mean_of_members(scales, lambda values: np.abs(values).sum(axis=1))
