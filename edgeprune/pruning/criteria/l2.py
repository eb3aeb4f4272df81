"""The criterion ``l2``: blocks of the smallest L2 norm go first."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.pruning.criteria.base import CRITERIA, Evidence, Scores


@CRITERIA.register
def l2(weights: FloatArray, evidence: Evidence) -> Scores:
    """``w^2``, whose sum over a block ranks as its L2 norm does.

    Source: Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 4.4, which compares
    it with the L1 norm.
    """
    return Scores(np.square(weights, dtype=np.float64))
