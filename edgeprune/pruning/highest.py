"""Keeps the highest of some scores, in exact numbers."""

from __future__ import annotations

import math

import numpy as np

from edgeprune.artifacts.arrays import BoolArray, FloatArray
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
    if not remove:
        return np.ones(scores.shape, np.bool_)
    threshold = _lowest(flat, remove)
    kept = flat > threshold
    missing = flat.size - remove - int(np.count_nonzero(kept))
    if missing:
        kept[np.flatnonzero(flat == threshold)[-missing:]] = True
    return kept.reshape(scores.shape)


def _lowest(scores: FloatArray, rank: int) -> float:
    """The score that ``rank`` others do not exceed, itself counted.

    Zeros are counted beforehand: masks that are made anew have many, and a partition of many equal
    values takes 20 times as long.
    """
    positive = scores[np.flatnonzero(scores > 0)]  # a tenth of the time that a mask takes
    place = rank - (scores.size - positive.size) - 1
    return 0.0 if place < 0 else float(np.partition(positive, place)[place])


def check_scores(scores: FloatArray, sparsity: float) -> None:
    """Checks what every pattern is given.

    Raises:
        ModelError: ``sparsity`` lies outside [0, 1), or a score is NaN.
    """
    if not 0 <= sparsity < 1:  # also false for NaN
        raise ModelError(f"sparsity must be in [0, 1), got {sparsity:g}")
    if np.isnan(scores).any():
        raise ModelError("weights hold NaN: they have no order of magnitude")
