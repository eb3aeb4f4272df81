"""The criterion ``l2``: units whose weights have the least energy go first."""

from __future__ import annotations

import numpy as np

from edgeprune.channels.criteria.base import CRITERIA, kernels, mean_of_members
from edgeprune.channels.evidence import Evidence, Scores
from edgeprune.channels.groups import Group


@CRITERIA.register
def l2(group: Group, evidence: Evidence) -> Scores | None:
    """Euclidean norm of each unit's weights, averaged over the kernels of the group."""
    return mean_of_members(kernels(group), lambda values: np.sqrt(np.square(values).sum(axis=1)))
