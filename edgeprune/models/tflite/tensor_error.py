"""How far one tensor is from another that stands for it."""

from __future__ import annotations

import math

import numpy as np

from edgeprune.artifacts.arrays import Array


def sqnr_db(before: Array, after: Array) -> float:
    """Signal-to-quantization-noise ratio in decibels.

    ``10 log10(sum(before^2) / sum((before - after)^2))``; 6 dB are one bit.

    Source: Gersho and Gray 1992, "Vector Quantization and Signal Compression", section 5.2.

    Args:
        before: The values.
        after: What stands for them, of the same shape.

    Returns:
        Infinity where nothing differs; minus infinity where the values are 0 and something does.

    >>> round(sqnr_db(np.array([3.0, 4.0]), np.array([3.0, 3.5])), 6)
    20.0
    """
    signal = float(np.square(before, dtype=np.float64).sum())
    noise = float(np.square(np.subtract(before, after, dtype=np.float64)).sum())
    if not noise:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
