"""The criterion ``magnitude``: the smallest weights go first."""

from __future__ import annotations

import math

import numpy as np

from edgeprune.artifacts import BoolArray, FloatArray
from edgeprune.errors import ModelError


def magnitude_mask(weights: FloatArray, sparsity: float) -> BoolArray:
    """Keeps the weights of largest magnitude in one tensor.

    Exactly ``floor(sparsity * n + 0.5)`` of ``n`` weights go: halves are rounded up. Among
    equal magnitudes the earlier in C order goes first, so the count is exact for any tensor.
    Takes O(n) time.

    Source: Han et al. 2015, "Learning both Weights and Connections", section 3.

    Args:
        weights: Any shape; finite.
        sparsity: Share to remove, in [0, 1).

    Returns:
        Boolean array of the same shape, True where a weight is kept.

    Raises:
        ModelError: ``sparsity`` lies outside [0, 1), or a weight is NaN.

    >>> magnitude_mask(np.array([3.0, -1.0, 1.0, 2.0], np.float32), 0.25).tolist()
    [True, False, True, True]
    """
    if not 0 <= sparsity < 1:
        raise ModelError(f"sparsity must be in [0, 1), got {sparsity:g}")
    magnitudes = np.abs(weights).reshape(-1)
    if np.isnan(magnitudes).any():
        raise ModelError("weights hold NaN: they have no order of magnitude")
    remove = math.floor(sparsity * magnitudes.size + 0.5)
    kept = np.ones(magnitudes.size, np.bool_)
    if remove:
        threshold = np.partition(magnitudes, remove - 1)[remove - 1]
        below = magnitudes < threshold
        ties = np.flatnonzero(magnitudes == threshold)
        kept[below] = False
        kept[ties[: remove - int(below.sum())]] = False
    return kept.reshape(np.shape(weights))
