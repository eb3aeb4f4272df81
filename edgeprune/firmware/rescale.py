"""From a real factor to the integers with which firmware multiplies by it."""

from __future__ import annotations

import math

import numpy as np

from edgeprune.artifacts.arrays import Array

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


def divided_by_power(values: Array, shift: int) -> Array:
    """``values / 2**shift``, halves away from zero.

    Source: ``RoundingDivideByPOT`` in gemmlowp's ``fixedpoint.h``.
    """
    if shift == 0:
        return values
    return (values + (1 << (shift - 1)) - (values < 0)) >> shift


def rescaled(values: Array, multiplier: int, shift: int) -> Array:
    """``values * multiplier / 2**31 / 2**shift``, rounded twice as the kernels do.

    Args:
        values: int64, of 32 bits.
        multiplier: At least 0.
        shift: To the right; below 0 to the left.

    Source: ``ep_requantize_twice`` in ``firmware/src/requantize.h``.
    """
    if shift < 0:
        values, shift = np.clip(values << -shift, -(1 << 31), (1 << 31) - 1), 0
    return divided_by_power((values * multiplier + (1 << 30)) >> 31, shift)
