"""ADD, SUB and MUL; with a single constant they become a lookup."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeprune.errors import ModelError
from edgeprune.firmware.loops import broadcast_loops
from edgeprune.firmware.operations import Add, Broadcast, Mul, Operation
from edgeprune.firmware.read.lookups import lookup
from edgeprune.firmware.read.reader import Reader
from edgeprune.firmware.rescale import multiplier_and_shift

_ADD_LEFT_SHIFT = 20
"""Source: tensorflow/lite/kernels/{add,sub}.cc."""


def _broadcast(reader: Reader, op: Any) -> Broadcast:
    first, second = (int(i) for i in op.inputs)
    sizes, steps = broadcast_loops(
        reader.shape(first), reader.shape(second), reader.shape(op.outputs[0])
    )
    constants = []
    for index in (first, second):
        values = reader.constant(index)
        if values is not None and values.dtype != np.int8:
            raise ModelError(f"firmware takes int8 constants, and {reader.name(index)!r} is not")
        constants.append(None if values is None else values.tobytes())
    if None not in constants:
        raise ModelError("both inputs are constant: convert again, with constants folded")
    return Broadcast(sizes, steps, (constants[0], constants[1]))


def _single(reader: Reader, op: Any) -> int | None:
    """Which input is one constant number; None if none is."""
    for i in range(2):
        if reader.size(op.inputs[i]) == 1 and reader.constant(op.inputs[i]) is not None:
            return i
    return None


def check_same_size(reader: Reader, op: Any, operand: int) -> None:
    """Checks that an operand has as many elements as the output.

    Raises:
        ModelError: It has not.
    """
    if reader.size(op.inputs[operand]) != reader.size(op.outputs[0]):
        raise ModelError(
            f"input {reader.shape(op.inputs[operand])} and output {reader.shape(op.outputs[0])} "
            "do not fit together"
        )


def _add_or_sub(reader: Reader, op: Any, name: str) -> Operation:
    target = int(op.outputs[0])
    (scale_a, zero_a), (scale_b, zero_b) = (reader.scale(int(i)) for i in op.inputs)
    scale_out, zero_out = reader.scale(target)
    twice = 2 * max(scale_a, scale_b)
    factors = [
        multiplier_and_shift(scale_a / twice),
        multiplier_and_shift(scale_b / twice),
        multiplier_and_shift(twice / ((1 << _ADD_LEFT_SHIFT) * scale_out)),
    ]
    if factors[2][1] < 0:
        raise ModelError(
            f"the output's scale, {scale_out:g}, is less than a millionth of the inputs': quantize "
            "again, with other calibration data"
        )
    if (single := _single(reader, op)) is not None:
        return _lookup(reader, op, 1 - single)
    return Add(
        name,
        _broadcast(reader, op),
        (zero_a, zero_b, zero_out),
        (factors[0][0], factors[1][0], factors[2][0]),
        (factors[0][1], factors[1][1], factors[2][1]),
        reader.limits(op.builtinOptions.fusedActivationFunction, target),
    )


def _lookup(reader: Reader, op: Any, operand: int) -> Operation:
    check_same_size(reader, op, operand)
    return lookup(reader, op, operand)


def add(reader: Reader, op: Any) -> Operation:
    """Reads ADD."""
    return _add_or_sub(reader, op, "ADD")


def sub(reader: Reader, op: Any) -> Operation:
    """Reads SUB."""
    return _add_or_sub(reader, op, "SUB")


def mul(reader: Reader, op: Any) -> Operation:
    """Reads MUL."""
    target = int(op.outputs[0])
    (scale_a, zero_a), (scale_b, zero_b) = (reader.scale(int(i)) for i in op.inputs)
    scale_out, zero_out = reader.scale(target)
    factor = multiplier_and_shift(scale_a * scale_b / scale_out)
    limits = reader.limits(op.builtinOptions.fusedActivationFunction, target)
    if (single := _single(reader, op)) is not None:
        return _lookup(reader, op, 1 - single)
    return Mul(_broadcast(reader, op), (zero_a, zero_b, zero_out), *factor, limits)
