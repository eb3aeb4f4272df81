"""Which kernels one operator runs, and on what shapes.

Source: LiteRT 2.3.0, ``tflite/delegates/xnnpack/xnnpack_delegate.cc``, and XNNPACK ``src/subgraph``
and ``src/operators``, checked against profiles of an emulated Cortex-A72.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.cost.microkernels import (
    CHW_ROWS,
    DWCONV_TAPS,
    Call,
    Shape,
    binary,
    depthwise,
    depthwise_chw,
    gemm,
    spmm,
    unary,
)
from edgeprune.prediction.xnnpack.delegation import UNARY, is_delegated
from edgeprune.prediction.xnnpack.padding import fused_pad
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.prediction.xnnpack.spmm import analyse, filter_matrix


class Place(NamedTuple):
    """Where an operator runs.

    Attributes:
        reader: The subgraph that the operator is in.
        row_tiles: Rows for which the core has a GEMM kernel, ascending.
        nchw: Whether it stands in a sparse cluster.
    """

    reader: Reader
    row_tiles: tuple[int, ...]
    nchw: bool


def kernel_calls(place: Place, op: graph.Operator) -> list[Call] | None:
    """Kernels of one operator that is not static, in order.

    Returns:
        Empty for an operator that costs nothing: a PAD that is fused into its reader. None for one
        that nobody has measured.
    """
    name = graph.op_name(place.reader.model, op)
    if not graph.has_known_ranks(place.reader.subgraph, op):
        return None
    if not is_delegated(place.reader, op):
        return _BUILTIN[name](place, op) if name in _BUILTIN else None
    if name == "PAD" and fused_pad(place.reader, int(op.outputs[0])) is op:
        return []
    if name in UNARY:
        return [unary(name, math.prod(_shape(place, op.outputs[0])))]
    rule = _RULES.get(name)
    return None if rule is None else rule(place, op)


def _shape(place: Place, tensor: int) -> Shape:
    return place.reader.shape(int(tensor))


def _sparse(place: Place, op: graph.Operator, pixels: int) -> list[Call] | None:
    weights = filter_matrix(place.reader, op)
    return None if weights is None else [spmm(pixels, analyse(weights))]


def _convolution(place: Place, op: graph.Operator) -> list[Call] | None:
    columns, height, width, depth = _shape(place, op.inputs[1])
    _, out_height, out_width, _ = _shape(place, op.outputs[0])
    groups = _shape(place, op.inputs[0])[3] // depth
    pixels = out_height * out_width
    pointwise = graph.is_pointwise(place.reader.model, place.reader.subgraph, op)
    if place.nchw and pointwise:
        return _sparse(place, op, pixels)
    if place.nchw:
        return [Call("hwc2chw", (out_height, out_width, columns))]
    if pointwise:
        return [gemm(pixels, depth, columns, place.row_tiles)]
    taps = height * width
    if depth == 1 and columns == groups and groups > 1 and taps <= DWCONV_TAPS[-1]:
        stride = int(op.builtinOptions.strideH)
        return [depthwise(out_height, out_width, columns, taps, stride)]
    return [gemm(pixels, depth, columns // groups, place.row_tiles, taps, groups)]


def _depthwise(place: Place, op: graph.Operator) -> list[Call] | None:
    _, height, width, _ = _shape(place, op.inputs[1])
    _, out_height, out_width, channels = _shape(place, op.outputs[0])
    stride = int(op.builtinOptions.strideH)
    if place.nchw and (height, stride) not in CHW_ROWS:
        return None
    if place.nchw:
        return [depthwise_chw(out_height, out_width, channels, height, stride)]
    if height * width > DWCONV_TAPS[-1]:
        pixels = out_height * out_width
        return [gemm(pixels, 1, 1, place.row_tiles, height * width, channels)]
    return [depthwise(out_height, out_width, channels, height * width, stride)]


def _fully_connected(place: Place, op: graph.Operator) -> list[Call] | None:
    columns, depth = _shape(place, op.inputs[1])
    rows = math.prod(_shape(place, op.inputs[0])) // depth
    if place.nchw:
        return _sparse(place, op, rows)
    product = gemm(rows, depth, columns, place.row_tiles)
    return [product] if op.builtinOptions.keepNumDims else [RESHAPE, product]


RESHAPE = Call("copy.reshape", (1, 0))


def _binary(place: Place, op: graph.Operator) -> list[Call] | None:
    name = graph.op_name(place.reader.model, op)
    first, second = (_shape(place, i) for i in op.inputs)
    if place.nchw:
        first, second = (_channels_first(shape) for shape in (first, second))
    calls = [binary(name, first, second)]
    options = op.builtinOptions
    if getattr(options, "fusedActivationFunction", 0):
        calls.append(unary("RELU", math.prod(_shape(place, op.outputs[0]))))
    return calls


def _channels_first(shape: Shape) -> Shape:
    n, height, width, channels = (1,) * (4 - len(shape)) + shape
    return (n, channels, height, width)


def _reduction(place: Place, op: graph.Operator) -> list[Call] | None:
    shape = _shape(place, op.inputs[0])
    axes = place.reader.values(int(op.inputs[1]))
    if axes is None:
        return None
    reduced = sorted({int(axis) % len(shape) for axis in np.atleast_1d(axes)})
    count = math.prod(shape[axis] for axis in reduced)
    kept = math.prod(shape) // count
    if place.nchw or reduced[-1] == len(shape) - 1:
        return [Call("mean_rows", (kept, count))]
    return [Call("mean_columns", (count, kept))]


def _pooling(place: Place, op: graph.Operator) -> list[Call] | None:
    options = op.builtinOptions
    taps = int(options.filterHeight * options.filterWidth)
    _, height, width, channels = _shape(place, op.outputs[0])
    kind = "max"
    if graph.op_name(place.reader.model, op) == "AVERAGE_POOL_2D":
        kind = "average_padded" if options.padding == edit.SAME else "average"
    return [Call(f"pooling.{kind}", (height, width, channels, taps))]


def _softmax(place: Place, op: graph.Operator) -> list[Call] | None:
    shape = _shape(place, op.outputs[0])
    return [Call("softmax", (math.prod(shape[:-1]), shape[-1]))]


def _concatenation(place: Place, op: graph.Operator) -> list[Call] | None:
    out = _shape(place, op.outputs[0])
    axis = op.builtinOptions.axis % len(out)
    runs = math.prod(out[:axis])
    return [
        Call("copy.concatenation", (runs, math.prod(_shape(place, i)[axis:]))) for i in op.inputs
    ]


def _slice(place: Place, op: graph.Operator) -> list[Call] | None:
    whole, part = _shape(place, op.inputs[0]), _shape(place, op.outputs[0])
    if len(whole) != len(part):
        return None
    cut = max((i for i in range(len(whole)) if whole[i] != part[i]), default=0)
    return [Call("copy.slice", (math.prod(part[:cut]), math.prod(part[cut:])))]


def _pad(place: Place, op: graph.Operator) -> list[Call] | None:
    out = _shape(place, op.outputs[0])
    kept = math.prod(_shape(place, op.inputs[0]))
    return [Call("pad", (math.prod(out[:-1]), math.prod(out), kept))]


def _depth_to_space(place: Place, op: graph.Operator) -> list[Call] | None:
    _, height, width, _ = _shape(place, op.inputs[0])
    channels = _shape(place, op.outputs[0])[3]
    size = int(op.builtinOptions.blockSize)
    if place.nchw:
        return [Call("transpose.depth_to_space", (height * size * size, channels, width))]
    return [Call("copy.depth_to_space", (height * width * size, size * channels))]


def _space_to_depth(place: Place, op: graph.Operator) -> list[Call] | None:
    _, height, width, _ = _shape(place, op.outputs[0])
    channels = _shape(place, op.inputs[0])[3]
    size = int(op.builtinOptions.blockSize)
    return [Call("copy.space_to_depth", (height * width * size, size * channels))]


def _transpose(place: Place, op: graph.Operator) -> list[Call] | None:
    shape = _shape(place, op.inputs[0])
    order = place.reader.values(int(op.inputs[1]))
    if order is None:
        return None
    if order[-1] == len(shape) - 1:
        return [Call("copy.transpose", (math.prod(shape[:-1]), shape[-1]))]
    width = shape[int(order[-1])]
    return [Call("transpose.general", (math.prod(shape[:-1]) // width, width, shape[-1]))]


def _resize(place: Place, op: graph.Operator) -> list[Call] | None:
    _, height, width, channels = _shape(place, op.outputs[0])
    return [Call("resize_chw" if place.nchw else "resize", (height, width, channels))]


def _reshape(place: Place, op: graph.Operator) -> list[Call] | None:
    return [RESHAPE]


def _builtin_pooling(place: Place, op: graph.Operator) -> list[Call] | None:
    """A pooling layer of one tap, which visits every input pixel."""
    if op.builtinOptions.filterHeight * op.builtinOptions.filterWidth != 1:
        return None
    shape = _shape(place, op.inputs[0])
    kernel = graph.op_name(place.reader.model, op).removesuffix("_2D").lower()
    return [Call(f"builtin.{kernel}", (math.prod(shape[:3]), shape[3]))]


def _builtin_concatenation(place: Place, op: graph.Operator) -> list[Call] | None:
    out = _shape(place, op.outputs[0])
    pieces = math.prod(out[: op.builtinOptions.axis % len(out)]) * len(op.inputs)
    return [Call("builtin.concatenation", (pieces, math.prod(out) // pieces))]


def _reverse(place: Place, op: graph.Operator) -> list[Call] | None:
    """Axes up to the last one are reversed as one run of elements; others move runs of elements."""
    shape = _shape(place, op.outputs[0])
    axes = place.reader.values(int(op.inputs[1]))
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    if axes is not None and int(axes.max()) >= len(shape) - 1:
        runs = math.prod(shape[: int(axes.min())])
        return [Call("builtin.reverse_run", (runs, math.prod(shape) // runs))]
    return [Call("builtin.reverse", (math.prod(shape[:-1]), shape[-1]))]


_RULES: dict[str, Callable[[Place, graph.Operator], list[Call] | None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    **dict.fromkeys(("ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SUB"), _binary),
    "SQUARED_DIFFERENCE": _binary,
    "MEAN": _reduction,
    "SUM": _reduction,
    "AVERAGE_POOL_2D": _pooling,
    "MAX_POOL_2D": _pooling,
    "SOFTMAX": _softmax,
    "CONCATENATION": _concatenation,
    "SLICE": _slice,
    "STRIDED_SLICE": _slice,
    "PAD": _pad,
    "DEPTH_TO_SPACE": _depth_to_space,
    "SPACE_TO_DEPTH": _space_to_depth,
    "TRANSPOSE": _transpose,
    "RESIZE_BILINEAR": _resize,
    "RESHAPE": _reshape,
}
_BUILTIN: dict[str, Callable[[Place, graph.Operator], list[Call] | None]] = {
    "AVERAGE_POOL_2D": _builtin_pooling,
    "MAX_POOL_2D": _builtin_pooling,
    "CONCATENATION": _builtin_concatenation,
    "REVERSE_V2": _reverse,
    # They move nothing either: 500 instructions more than the delegate's, of 800 and of 16,000
    # elements (Cortex-A72, LiteRT 2.3.0).
    **dict.fromkeys(("EXPAND_DIMS", "RESHAPE", "SQUEEZE"), _reshape),
}
"""Operators that the interpreter's own kernels run, where the delegate does not take them."""
