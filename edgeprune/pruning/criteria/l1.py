"""The criterion ``l1``: blocks of the smallest L1 norm go first."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.compression import FloatArray
from edgeprune.pruning.criteria.base import CRITERIA, Evidence, Scores


@CRITERIA.register
def l1(weights: FloatArray, evidence: Evidence) -> Scores:
    """``|w|``, whose sum over a block is its L1 norm; single weights rank as by magnitude.

    Source: Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.1.
    """
    return Scores(np.abs(weights))
