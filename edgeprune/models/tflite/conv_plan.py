"""Plans of edgeprune's own kernels: an int8 layer's geometry and packed block-sparse weights.

``device_agents/kernels/plan.h`` is the format's specification, and its reader the only one. A plan
stands in the custom options of an operator named :data:`PREFIX` and a number.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import graph

PREFIX = "edgeprune.conv."
"""Of the operators' names; a number of each layer's own follows."""

BLOCK = 4
"""Input channels that are kept or dropped together."""

OPERATORS = ("CONV_2D", "FULLY_CONNECTED")
"""What a plan can stand for."""

_MAGIC, _VERSION = b"EPKC", 2
_MAX_EXTENT, _MAX_TAPS, _MAX_POSITIONS = 1 << 16, 1 << 10, (1 << 16) - 1
_MAX_STEP = 255
_MAX_SCALE = 256.0
"""What XNNPACK takes. Source: google/XNNPACK, ``src/operators/convolution-nhwc.c``."""

_CONV_2D, _FULLY_CONNECTED, _KEEPS_DIMENSIONS = range(3)
_BOUNDS = {
    schema.ActivationFunctionType.NONE: (-np.inf, np.inf),
    schema.ActivationFunctionType.RELU: (0.0, np.inf),
    schema.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    schema.ActivationFunctionType.RELU6: (0.0, 6.0),
}


@dataclass(frozen=True)
class _Quantized:
    scale: Array
    zero_point: int


def plan_of(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> bytes:
    """The plan of a layer.

    The scales are XNNPACK's, input times weight over output in float32, so that the outputs are
    those of its dense kernels, bit for bit.

    Raises:
        ValueError: No plan can stand for the layer; the text says why.
    """
    kind = graph.op_name(model, op)
    if kind not in OPERATORS:
        raise ValueError(f"no kernel of edgeprune's own is a {kind}")
    source, result = subgraph.tensors[op.inputs[0]], subgraph.tensors[op.outputs[0]]
    filters = subgraph.tensors[op.inputs[1]]
    weights = graph.constant(model, filters)
    if weights is None or any(
        graph.dtype_of(tensor) != np.int8 for tensor in (source, filters, result)
    ):
        raise ValueError("its input, its output and its constant weights have to be int8")
    if kind == "FULLY_CONNECTED":
        weights = weights.reshape(len(weights), 1, 1, -1)
    channels = graph.shape_of(source)[-1] if graph.shape_of(source) else 0
    if weights.shape[3] != channels:
        raise ValueError("its channels are in groups, or its input is flattened first")
    count, step, blocks = packed_blocks(weights)
    arrays = _bias(model, subgraph, op, weights, _quantization(source)).tobytes()
    arrays += _scales(source, filters, result, len(weights)).tobytes()
    arrays += count.tobytes() + step.tobytes() + blocks.tobytes()
    body = struct.pack("<16I4i", *_geometry(subgraph, op, kind, weights), step.size,
                       *_bounds(source, result, op)) + arrays  # fmt: skip
    return _MAGIC + struct.pack("<III", _VERSION, len(body) + 16, zlib.crc32(body)) + body


def own_layers(model: graph.Model) -> dict[str, tuple[str, str]]:
    """Layers of a file's first subgraph that run in edgeprune's own kernels.

    Returns:
        By the operator's name, as ``edgeprune.conv.0``: the name of the layer's output, and what
        the operator stands for, of :data:`OPERATORS`.
    """
    layers = {}
    for op in model.subgraphs[0].operators:
        code = model.operatorCodes[op.opcodeIndex].customCode or b""
        name = code.decode("utf-8", "replace") if isinstance(code, bytes) else str(code)
        if name.startswith(PREFIX) and len(op.outputs):
            kind = bytes(op.customOptions[16:20]) if op.customOptions is not None else b""
            is_conv = kind == struct.pack("<I", _CONV_2D)
            output = graph.tensor_name(model.subgraphs[0].tensors[op.outputs[0]])
            layers[name] = (output, OPERATORS[0] if is_conv else OPERATORS[1])
    return layers


def packed_blocks(weights: Array) -> tuple[Array, Array, Array]:
    """Blocks that are not all zero.

    Args:
        weights: int8, shape ``(out_channels, kernel_height, kernel_width, in_channels)``.

    Returns:
        Blocks of each row, uint16 of shape ``(out_channels,)``; each block's distance from the one
        before it or, of a row's first one, its position, uint8 of shape ``(blocks,)``; the blocks,
        int8 of shape ``(blocks, 4)``. Blocks of zeros stand where a distance is larger than 255.
    """
    missing = -weights.shape[3] % BLOCK
    padded = np.pad(weights, ((0, 0), (0, 0), (0, 0), (0, missing)))
    rows = padded.reshape(len(weights), -1, BLOCK)
    kept = rows.any(axis=2)
    count, (row, position) = kept.sum(axis=1), np.nonzero(kept)
    before = np.where(np.diff(row, prepend=-1) != 0, 0, np.roll(position, 1))
    between = np.maximum(-(-(position - before) // _MAX_STEP), 1) - 1
    last = np.cumsum(between + 1) - 1
    step = np.full(len(row) + int(between.sum()), _MAX_STEP, np.uint8)
    step[last] = position - before - between * _MAX_STEP
    blocks = np.zeros((step.size, BLOCK), np.int8)
    blocks[last] = rows[kept]
    np.add.at(count, row, between)
    return count.astype("<u2"), step, blocks


def _geometry(
    subgraph: graph.Subgraph, op: graph.Operator, kind: str, weights: Array
) -> tuple[int, ...]:
    units, kernel_height, kernel_width, channels = weights.shape
    groups = -(-channels // BLOCK)
    if max(units, channels) > _MAX_EXTENT or kernel_height * kernel_width > _MAX_TAPS:
        raise ValueError("it is larger than a plan can say")
    if kernel_height * kernel_width * groups > _MAX_POSITIONS:
        raise ValueError("its rows have more blocks than a plan can say")
    options = op.builtinOptions
    if kind == "FULLY_CONNECTED":
        keeps = _KEEPS_DIMENSIONS if options.keepNumDims else _FULLY_CONNECTED
        return (keeps, 1, 1, channels, 1, 1, units, 1, 1, 1, 1, 1, 1, 0, 0)
    kernel = (kernel_height, kernel_width)
    strides = (int(options.strideH), int(options.strideW))
    dilations = (int(options.dilationHFactor), int(options.dilationWFactor))
    sizes = graph.shape_of(subgraph.tensors[op.inputs[0]])[1:3]
    outputs = graph.shape_of(subgraph.tensors[op.outputs[0]])[1:3]
    pads = [0, 0]
    if options.padding == schema.Padding.SAME:
        # Source: LiteRT, tflite/kernels/padding.h, ComputePaddingWithOffset.
        pads = [
            max((out - 1) * stride + (taps - 1) * dilation + 1 - size, 0) // 2
            for size, out, taps, stride, dilation in zip(
                sizes, outputs, kernel, strides, dilations, strict=True
            )
        ]
    numbers = (_CONV_2D, *sizes, channels, *outputs, units, *kernel, *strides, *dilations, *pads)
    if not all(1 <= number <= _MAX_EXTENT for number in numbers[1:13]) or max(pads) > _MAX_EXTENT:
        raise ValueError("it is larger than a plan can say, or its sizes are not known")
    return numbers


def _quantization(tensor: graph.Tensor) -> _Quantized:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or quantization.zeroPoint is None:
        raise ValueError(f"{graph.tensor_name(tensor)} has no scale")
    points = np.unique(np.asarray(quantization.zeroPoint, np.int64))
    if points.size != 1 or abs(int(points[0]) * 2 + 1) > 255:
        raise ValueError(f"{graph.tensor_name(tensor)} has more than one zero point, or no int8")
    return _Quantized(np.asarray(quantization.scale, np.float32), int(points[0]))


def _bias(
    model: graph.Model,
    subgraph: graph.Subgraph,
    op: graph.Operator,
    weights: Array,
    source: _Quantized,
) -> Array:
    """What each sum begins with: the bias, less what the input's zero point adds to the sum."""
    bias = np.zeros(len(weights), np.int64)
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        stored = graph.constant(model, subgraph.tensors[op.inputs[2]])
        if stored is None or stored.dtype != np.int32 or stored.size != len(weights):
            raise ValueError("its bias has to be a constant of int32")
        bias += stored.reshape(-1)
    bias -= source.zero_point * weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int64)
    wrapped: Array = (bias & 0xFFFFFFFF).astype("<u4")  # as sums of 32 bits do
    return wrapped


def _scales(source: graph.Tensor, filters: graph.Tensor, result: graph.Tensor, units: int) -> Array:
    ends = [_quantization(tensor) for tensor in (source, filters, result)]
    if ends[0].scale.size != 1 or ends[2].scale.size != 1 or ends[1].scale.size not in (1, units):
        raise ValueError("its scales fit neither its tensors nor its channels")
    if ends[1].zero_point != 0:
        raise ValueError("the zero point of its weights is not 0")
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        scale: Array = ends[0].scale * np.broadcast_to(ends[1].scale, (units,)) / ends[2].scale
    if not np.all((scale > 0) & (scale < _MAX_SCALE)):
        raise ValueError("a scale is not between 0 and 256")
    return np.asarray(scale, "<f4")


def _bounds(
    source: graph.Tensor, result: graph.Tensor, op: graph.Operator
) -> tuple[int, int, int, int]:
    """Zero points of input and output, and the bounds that the fused activation sets.

    Source: google/XNNPACK, ``src/xnnpack/requantization.h``, ``xnn_qs8_quantize``.
    """
    activation = op.builtinOptions.fusedActivationFunction
    if activation not in _BOUNDS:
        raise ValueError("its fused activation is none of RELU, RELU6 and RELU_N1_TO_1")
    output = _quantization(result)
    exact = np.array(_BOUNDS[activation], np.float32) / output.scale[0]
    low, high = np.rint(np.clip(exact + np.float32(output.zero_point), -128, 127))
    return _quantization(source).zero_point, output.zero_point, int(low), int(high)
