"""The pattern ``unstructured``: weights go one by one."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts import FloatArray
from edgeprune.prune.magnitude import magnitude_mask
from edgeprune.prune.patterns.base import PATTERNS, Pruning


@PATTERNS.register
def unstructured(weights: FloatArray, sparsity: float) -> Pruning:
    """Removes the weights of smallest magnitude; see :func:`magnitude_mask`.

    Raises:
        ModelError: ``sparsity`` lies outside [0, 1), or a weight is NaN.
    """
    mask = magnitude_mask(weights, sparsity)
    return Pruning(np.where(mask, weights, weights.dtype.type(0)), mask)
