"""Keeps the highest of some scores, in exact numbers."""

from __future__ import annotations

import math

import numpy as np

from edgeprune.artifacts import BoolArray, FloatArray
from edgeprune.errors import ModelError


def keep_highest(scores: FloatArray, sparsity: float, least: int = 0) -> BoolArray:
    """Keeps what scores highest.

    Exactly ``floor(sparsity * n + 0.5)`` of ``n`` scores go: halves are rounded up. Among equal
    ones the earlier in C order goes first, so the count is exact for any array. Takes O(n) time.

    Source: Han et al. 2015, "Learning both Weights and Connections", section 3, for scores that
    are magnitudes.

    Args:
        scores: Any shape; non-negative.
        sparsity: Share to remove, in [0, 1).
        least: So many are kept in any case, where there are as many.

    Returns:
        Boolean array of the same shape, True where a weight is kept.

    Raises:
        ModelError: ``sparsity`` lies outside [0, 1), or a score is NaN.

    >>> keep_highest(np.array([3.0, 1.0, 1.0, 2.0], np.float32), 0.25).tolist()
    [True, False, True, True]
    """
    check_scores(scores, sparsity)
    flat = scores.reshape(-1)
    remove = min(math.floor(sparsity * flat.size + 0.5), max(0, flat.size - least))
    kept = np.ones(flat.size, np.bool_)
    if remove:
        threshold = np.partition(flat, remove - 1)[remove - 1]
        below = flat < threshold
        ties = np.flatnonzero(flat == threshold)
        kept[below] = False
        kept[ties[: remove - int(below.sum())]] = False
    return kept.reshape(scores.shape)


def check_scores(scores: FloatArray, sparsity: float) -> None:
    """Checks what every pattern is given.

    Raises:
        ModelError: ``sparsity`` lies outside [0, 1), or a score is NaN.
    """
    if not 0 <= sparsity < 1:  # also false for NaN
        raise ModelError(f"sparsity must be in [0, 1), got {sparsity:g}")
    if np.isnan(scores).any():
        raise ModelError("weights hold NaN: they have no order of magnitude")
