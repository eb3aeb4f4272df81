"""The criterion ``taylor``: weights go first whose removal hardly changes the loss."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.pruning.criteria.base import CRITERIA, Evidence, Scores


@CRITERIA.register
def taylor(weights: FloatArray, evidence: Evidence) -> Scores:
    """``(g w)^2`` with the loss's gradient g, averaged over samples.

    Source: Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning", equation 8.
    """
    return Scores(evidence.squared_gradients() * np.square(weights, dtype=np.float64))
