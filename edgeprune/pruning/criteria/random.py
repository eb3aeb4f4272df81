"""The criterion ``random``: chance decides; a baseline."""

from __future__ import annotations

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.pruning.criteria.base import CRITERIA, Evidence, Scores


@CRITERIA.register
def random(weights: FloatArray, evidence: Evidence) -> Scores:
    """Uniform in [0, 1). Source: none needed."""
    return Scores(evidence.random().random(weights.shape))
