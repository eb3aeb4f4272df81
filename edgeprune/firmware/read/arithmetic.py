"""ADD, SUB and MUL; with a single constant they become a lookup."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.firmware.loops import broadcast_loops
from edgeprune.firmware.operations import Add, Broadcast, Lookup, Mul, Operation
from edgeprune.firmware.read.lookups import ALL, table_of
from edgeprune.firmware.read.reader import Reader
from edgeprune.firmware.rescale import multiplier_and_shift, rescaled

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


def _lookup(reader: Reader, op: Any, values: Array, single: int) -> Operation:
    """``values``: the outputs for all inputs from -128 on; ``single``: the constant operand."""
    if reader.shape(op.inputs[1 - single]) != reader.shape(op.outputs[0]):
        # A constant of more dimensions than the input adds some of size 1: the same elements.
        check_same_size(reader, op, 1 - single)
    return Lookup(reader.size(op.outputs[0]), table_of(values))


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


def _operands(reader: Reader, op: Any, single: int | None) -> list[Array]:
    """All values of an input that is computed, and the one of a constant."""
    found = []
    for i in range(2):
        constant = reader.constant(op.inputs[i]) if i == single else None
        found.append(ALL if constant is None else constant.reshape(1).astype(np.int64))
    return found


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
    limits = reader.limits(op.builtinOptions.fusedActivationFunction, target)
    single = _single(reader, op)
    if single is None:
        return Add(
            name,
            _broadcast(reader, op),
            (zero_a, zero_b, zero_out),
            (factors[0][0], factors[1][0], factors[2][0]),
            (factors[0][1], factors[1][1], factors[2][1]),
            limits,
        )
    terms = [
        rescaled((values - zero) * (1 << _ADD_LEFT_SHIFT), *factor)
        for values, zero, factor in zip(
            _operands(reader, op, single), (zero_a, zero_b), factors, strict=False
        )
    ]
    total = terms[0] + terms[1] if name == "ADD" else terms[0] - terms[1]
    return _lookup(reader, op, np.clip(rescaled(total, *factors[2]) + zero_out, *limits), single)


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
    single = _single(reader, op)
    if single is None:
        zeros = zero_a, zero_b, zero_out
        return Mul(_broadcast(reader, op), zeros, *factor, limits)
    first, second = _operands(reader, op, single)
    product = rescaled((first - zero_a) * (second - zero_b), *factor)
    return _lookup(reader, op, np.clip(product + zero_out, *limits), single)
