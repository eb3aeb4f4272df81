"""The criterion ``magnitude``: the smallest weights go first."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.pruning.criteria.base import CRITERIA, Evidence, Scores


@CRITERIA.register
def magnitude(weights: FloatArray, evidence: Evidence) -> Scores:
    """``|w|``, whose sum over a block is its L1 norm.

    Source: Han et al. 2015, "Learning both Weights and Connections", section 3; for blocks Li et
    al. 2017, "Pruning Filters for Efficient ConvNets", section 3.1.
    """
    return Scores(np.abs(weights))
