"""Operators that are a function of one int8: 256 outputs, computed as LiteRT's reference does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.firmware.operations import Lookup, Operation
from edgeprune.firmware.read.reader import Reader, half_away
from edgeprune.firmware.rescale import divided_by_power, multiplier_and_shift, rescaled

ALL = np.arange(-128, 128, dtype=np.int64)
"""All that an int8 can be."""

_INT16_MAX, _INT16_MIN = (1 << 15) - 1, -(1 << 15)


def table_of(values: Array) -> bytes:
    """A plan's table from outputs for -128, -127, ... 127: indexed by the input as uint8."""
    return np.roll(np.clip(values, -128, 127).astype(np.int8), -128).tobytes()


def _made(reader: Reader, op: Any, values: Array) -> Operation:
    return Lookup(reader.size(op.outputs[0]), table_of(values))


def _ends(reader: Reader, op: Any) -> tuple[float, int, float, int]:
    return *reader.scale(op.inputs[0]), *reader.scale(op.outputs[0])


def _clamped(low: float, high: float | None) -> Callable[[Reader, Any], Operation]:
    def read(reader: Reader, op: Any) -> Operation:
        """Source: ``QuantizedReluX`` in tensorflow/lite/kernels/activations.cc."""
        in_scale, in_zero, out_scale, out_zero = _ends(reader, op)
        factor = multiplier_and_shift(float(np.float32(in_scale) / np.float32(out_scale)))
        values = rescaled(ALL - in_zero, *factor) + out_zero
        ends = [
            None if real is None else out_zero + half_away(float(np.float32(real) / out_scale))
            for real in (low, high)
        ]
        return _made(reader, op, np.clip(values, ends[0], 127 if ends[1] is None else ends[1]))

    return read


relu = _clamped(0.0, None)
relu6 = _clamped(0.0, 6.0)
relu_n1_to_1 = _clamped(-1.0, 1.0)


def quantize(reader: Reader, op: Any) -> Operation:
    """Reads QUANTIZE from one int8 scale to another.

    Source: ``Requantize`` in tensorflow/lite/kernels/internal/reference/requantize.h.
    """
    in_scale, in_zero, out_scale, out_zero = _ends(reader, op)
    factor = multiplier_and_shift(in_scale / out_scale)
    return _made(reader, op, rescaled(ALL - in_zero, *factor) + out_zero)


def leaky_relu(reader: Reader, op: Any) -> Operation:
    """Reads LEAKY_RELU.

    Source: ``QuantizeLeakyRelu`` in tensorflow/lite/kernels/internal/reference/leaky_relu.h.
    """
    in_scale, in_zero, out_scale, out_zero = _ends(reader, op)
    alpha = float(np.float32(op.builtinOptions.alpha))
    above = multiplier_and_shift(in_scale / out_scale)
    below = multiplier_and_shift(abs(in_scale * alpha / out_scale))
    shifted = ALL - in_zero
    falling = rescaled(shifted, *below) * (-1 if alpha < 0 else 1)
    return _made(reader, op, np.where(shifted >= 0, rescaled(shifted, *above), falling) + out_zero)


def _by_float(function: Callable[[Array], Array]) -> Callable[[Reader, Any], Operation]:
    def read(reader: Reader, op: Any) -> Operation:
        """Source: ``LUTPopulate`` in tensorflow/lite/kernels/internal/common.h."""
        in_scale, in_zero, out_scale, out_zero = _ends(reader, op)
        real = np.float32(in_scale) * (ALL - in_zero).astype(np.float32)
        inverse = np.float32(1) / np.float32(out_scale)
        scaled = (function(real) * inverse).astype(np.float64)
        values: Array = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
        return _made(reader, op, values + out_zero)

    return read


def _sigmoid(values: Array) -> Array:
    found: Array = np.float32(1) / (np.float32(1) + np.exp(-values))
    return found


logistic = _by_float(_sigmoid)
tanh = _by_float(np.tanh)


def _to_int16(multiplier: int) -> int:
    """Source: ``DownScaleInt32ToInt16Multiplier``."""
    return _INT16_MAX if multiplier >= (1 << 31) - 1 - (1 << 15) else (multiplier + (1 << 15)) >> 16


def _high_multiply_16(values: Array, factor: int) -> Array:
    return (values * factor + (1 << 14)) >> 15


def _shifted_left_16(values: Array, shift: int) -> Array:
    found: Array = np.clip(values << shift, _INT16_MIN, _INT16_MAX)
    return found


def hard_swish(reader: Reader, op: Any) -> Operation:
    """Reads HARD_SWISH: in 16 bits, with each of the reference's roundings.

    Source: ``HardSwish`` in tensorflow/lite/kernels/internal/reference/hard_swish.h,
    ``HardSwishPrepare`` in tensorflow/lite/kernels/activations.cc.
    """
    in_scale, in_zero, out_scale, out_zero = _ends(reader, op)
    fine = np.float32(1 / 128) * np.float32(in_scale)
    out_multiplier, out_shift = multiplier_and_shift(float(fine / np.float32(out_scale)))
    gate_multiplier, gate_shift = multiplier_and_shift(
        float(fine / (np.float32(3) / np.float32(32768)))
    )
    shifted = (ALL - in_zero) << 7
    at_out = _high_multiply_16(shifted, _to_int16(out_multiplier))
    gate = shifted if gate_shift >= 0 else _shifted_left_16(shifted, -gate_shift - 1)
    gate = _high_multiply_16(gate, _to_int16(gate_multiplier))
    if gate_shift < 0:
        gate = _shifted_left_16(gate, 1)
    elif gate_shift > 0:
        gate = divided_by_power(gate, gate_shift)
    gate = (gate + (1 << 15)) >> 1
    product = gate * at_out
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return _made(reader, op, divided_by_power(truncated, out_shift) + out_zero)
