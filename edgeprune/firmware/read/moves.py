"""Operators that put elements into another order, and MEAN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeprune.errors import ModelError
from edgeprune.firmware.loops import few_loops, row_steps
from edgeprune.firmware.operations import Copy, Mean, Operation, Part
from edgeprune.firmware.read.reader import Reader
from edgeprune.firmware.rescale import multiplier_and_shift


def _same_scale(reader: Reader, op: Any, inputs: Sequence[int]) -> None:
    scales = {reader.scale(i) for i in (*inputs, op.outputs[0])}
    if len(scales) > 1:
        raise ModelError(
            "inputs and output differ in scale or zero point, which elements that are moved "
            "cannot: quantize again"
        )


def _copy(
    sizes: Sequence[int],
    in_steps: Sequence[int],
    out_steps: Sequence[int],
    offsets: tuple[int, int] = (0, 0),
) -> Copy:
    loops = few_loops(sizes, in_steps, out_steps)
    return Copy(*loops, *offsets)


def pad(reader: Reader, op: Any) -> list[Part]:
    """Reads PAD and PADV2."""
    source, target = int(op.inputs[0]), int(op.outputs[0])
    _same_scale(reader, op, [source])
    amounts = reader.known(op.inputs[1], "amounts of padding").reshape(-1, 2)
    fill = reader.scale(target)[1]
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        fill = int(reader.known(op.inputs[2], "values of padding").reshape(-1)[0])
    if (amounts < 0).any():
        raise ModelError("firmware pads by at least 0")
    shape, out = reader.shape(source), reader.shape(target)
    steps = row_steps(out)
    offset = int(sum(a * b for a, b in zip(amounts[:, 0], steps, strict=True)))
    loops = few_loops(shape, row_steps(shape), steps)
    borders = [(int(a), int(b)) for a, b in amounts]
    is_spatial = len(shape) == 4 and borders[0] == borders[3] == (0, 0)
    return [
        Part(
            Copy(
                *loops,
                0,
                offset,
                math.prod(out),
                fill,
                (borders[1][0], borders[2][0]) if is_spatial else None,
                (shape[1], shape[2]) if is_spatial else None,
            ),
            (source,),
            target,
        )
    ]


def concatenation(reader: Reader, op: Any) -> list[Part]:
    """Reads CONCATENATION: a copy an input."""
    if op.builtinOptions.fusedActivationFunction != 0:
        raise ModelError("firmware joins without an activation")
    inputs, target = [int(i) for i in op.inputs], int(op.outputs[0])
    _same_scale(reader, op, inputs)
    out = reader.shape(target)
    axis = int(op.builtinOptions.axis) % len(out)
    steps, at, parts = row_steps(out), 0, []
    for index in inputs:
        if reader.constant(index) is not None:
            raise ModelError("firmware joins what is computed, and one of these is constant")
        shape = reader.shape(index)
        copy = _copy(shape, row_steps(shape), steps, (0, at * steps[axis]))
        parts.append(Part(copy, (index,), target))
        at += shape[axis]
    return parts


def transpose(reader: Reader, op: Any) -> list[Part]:
    """Reads TRANSPOSE."""
    source, target = int(op.inputs[0]), int(op.outputs[0])
    _same_scale(reader, op, [source])
    order = [int(i) for i in reader.known(op.inputs[1], "orders").reshape(-1)]
    steps, out = row_steps(reader.shape(source)), reader.shape(target)
    turned = [steps[i] for i in order]
    return [Part(_copy(out, turned, row_steps(out)), (source,), target)]


def _sliced(
    reader: Reader, op: Any, begins: Sequence[int], strides: Sequence[int], kept: Sequence[int]
) -> list[Part]:
    source, target = int(op.inputs[0]), int(op.outputs[0])
    _same_scale(reader, op, [source])
    if min(strides, default=1) < 1:
        raise ModelError("firmware slices forwards, and this runs backwards")
    if math.prod(kept) != reader.size(target):
        raise ModelError(f"slice of {kept} and output {reader.shape(target)} do not fit together")
    steps = row_steps(reader.shape(source))
    offset = sum(a * b for a, b in zip(begins, steps, strict=True))
    taken = [a * b for a, b in zip(strides, steps, strict=True)]
    return [Part(_copy(kept, taken, row_steps(kept), (offset, 0)), (source,), target)]


def strided_slice(reader: Reader, op: Any) -> list[Part]:
    """Reads STRIDED_SLICE."""
    options, shape = op.builtinOptions, reader.shape(op.inputs[0])
    if options.ellipsisMask or options.newAxisMask or options.offset:
        raise ModelError("firmware slices without ellipsis and new axes")
    begins, ends, strides = (
        [int(v) for v in reader.known(op.inputs[i], "bounds").reshape(-1)] for i in (1, 2, 3)
    )
    found, kept = [], []
    for axis, size in enumerate(shape):
        if axis >= len(begins):
            begin, end, stride = 0, size, 1
        else:
            first = None if options.beginMask >> axis & 1 else begins[axis]
            last = None if options.endMask >> axis & 1 else ends[axis]
            if options.shrinkAxisMask >> axis & 1:
                last = (begins[axis] + 1) or None
            begin, end, stride = slice(first, last, strides[axis]).indices(size)
        found.append((begin, stride))
        kept.append(len(range(begin, end, stride)))
    return _sliced(reader, op, [a for a, _ in found], [b for _, b in found], kept)


def slice_(reader: Reader, op: Any) -> list[Part]:
    """Reads SLICE."""
    shape = reader.shape(op.inputs[0])
    begins, sizes = (
        [int(v) for v in reader.known(op.inputs[i], "bounds").reshape(-1)] for i in (1, 2)
    )
    kept = [
        full - a if size < 0 else size for full, a, size in zip(shape, begins, sizes, strict=True)
    ]
    return _sliced(reader, op, begins, [1] * len(shape), kept)


def _mean_factor(in_scale: float, out_scale: float, reduced: int) -> tuple[int, int]:
    """Multiplier and shift to the right, with the division by ``reduced``.

    Source: ``QuantizedMeanOrSum`` in tensorflow/lite/kernels/internal/reference/reduce.h.
    """
    ratio = float(np.float32(in_scale) / np.float32(out_scale))
    multiplier, shift = multiplier_and_shift(ratio)
    power = min(reduced.bit_length() - 1, 32, 31 - shift)
    return (multiplier << power) // reduced, shift + power


def mean(reader: Reader, op: Any) -> Operation:
    """Reads MEAN over neighbouring dimensions."""
    shape = reader.shape(op.inputs[0])
    axes = {int(i) % len(shape) for i in reader.known(op.inputs[1], "axes").reshape(-1)}
    first, last = min(axes, default=0), max(axes, default=-1)
    if len(axes) != last - first + 1 or not axes:
        raise ModelError(
            f"firmware takes means over neighbouring dimensions, and these are {sorted(axes)}"
        )
    in_scale, in_zero = reader.scale(op.inputs[0])
    out_scale, out_zero = reader.scale(op.outputs[0])
    sizes = (
        math.prod(shape[:first]),
        math.prod(shape[first : last + 1]),
        math.prod(shape[last + 1 :]),
    )
    factor = _mean_factor(in_scale, out_scale, sizes[1])
    return Mean(*sizes, *factor, (in_zero, out_zero))
