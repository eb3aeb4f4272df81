"""SOFTMAX."""

from __future__ import annotations

import math
from typing import Any

from edgeprune.errors import ModelError
from edgeprune.firmware.operations import Operation, Softmax
from edgeprune.firmware.read.reader import Reader
from edgeprune.firmware.rescale import multiplier_and_shift

_INTEGER_BITS = 5
"""Source: tensorflow/lite/kernels/activations.cc."""

MAX_COLUMNS = 2048
"""What ``ep_prepare`` allows: so many exponentials fit into a sum."""

_OUTPUT = (1 / 256, -128)


def softmax(reader: Reader, op: Any) -> Operation:
    """Reads SOFTMAX over the last dimension."""
    shape = reader.shape(op.inputs[0])
    scale, _ = reader.scale(op.inputs[0])
    if reader.scale(op.outputs[0]) != _OUTPUT:
        raise ModelError("outputs of SOFTMAX have scale 1/256 and zero point -128, and these not")
    if shape[-1] > MAX_COLUMNS:
        raise ModelError(f"firmware takes a SOFTMAX of at most {MAX_COLUMNS}, and this is {shape}")
    fraction_bits = 31 - _INTEGER_BITS
    real = min(op.builtinOptions.beta * scale * (1 << fraction_bits), float((1 << 31) - 1))
    multiplier, shift = multiplier_and_shift(real)
    left = -shift
    if left < 0:
        raise ModelError(f"the input's scale, {scale:g}, is too small for SOFTMAX: quantize again")
    radius = math.floor(((1 << _INTEGER_BITS) - 1) * (1 << fraction_bits) / (1 << left))
    return Softmax(math.prod(shape[:-1]), shape[-1], multiplier, left, -radius)
