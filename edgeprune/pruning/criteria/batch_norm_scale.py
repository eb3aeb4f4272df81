"""The criterion ``batch_norm_scale``: channels that batch normalization scales down go first."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.pruning.criteria.base import CRITERIA, Evidence, Scores


@CRITERIA.register
def batch_norm_scale(weights: FloatArray, evidence: Evidence) -> Scores:
    """``|gamma|`` of the output channel, the same for all its weights but for a tie-break.

    Where no batch normalization follows, all channels count the same. Within a channel weights
    go by magnitude, which moves a score by less than a thousandth of the largest.

    Source: Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming",
    section 3; the tie-break is ours.
    """
    scale = evidence.batch_norm_scale()
    gammas = np.ones(len(weights)) if scale is None else np.abs(scale).astype(np.float64)
    sizes = np.abs(weights).astype(np.float64)
    tie_break = sizes / max(float(sizes.max()), np.finfo(np.float64).tiny)
    return Scores(gammas[:, None] + 1e-3 * max(float(gammas.max()), 1e-30) * tie_break)
