"""The criterion ``wanda``: weights go first that add little to their output channel."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.pruning.criteria.base import CRITERIA, Evidence, Scores


@CRITERIA.register
def wanda(weights: FloatArray, evidence: Evidence) -> Scores:
    """``|w| ||x||_2``, compared with other weights of the same output channel only.

    The norm is divided by the root of the number of samples, which changes no order.

    Source: Sun et al. 2023, "A Simple and Effective Pruning Approach for Large Language Models",
    equation 1 and section 3.
    """
    return Scores(np.abs(weights) * np.sqrt(evidence.mean_squared_inputs()), per_row=True)
