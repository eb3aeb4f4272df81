"""From a real factor to the integers with which firmware multiplies by it."""

from __future__ import annotations

import math

MIN_MULTIPLIER = 1 << 30


def multiplier_and_shift(factor: float) -> tuple[int, int]:
    """Splits ``factor`` into ``multiplier / 2**31 / 2**shift``.

    Args:
        factor: Real, at least 0 and below 2**31.

    Returns:
        The multiplier, 2**30 to 2**31 - 1 or 0, and the shift to the right, below 0 to the left.

    Source: ``QuantizeMultiplier`` in ``tensorflow/lite/kernels/internal/quantization_util.cc``.
    """
    fraction, exponent = math.frexp(factor)
    multiplier = int(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, exponent = multiplier // 2, exponent + 1
    if exponent < -31:
        return 0, 0
    return multiplier, -exponent
