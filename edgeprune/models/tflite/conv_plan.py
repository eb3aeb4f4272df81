"""Plans of edgeprune's own kernels: an int8 layer's geometry and packed block-sparse weights.

``device_agents/kernels/plan.h`` is the format's specification, and its reader the only one. A plan
stands in the custom options of an operator named :data:`PREFIX` and a number.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.stored import OWN_PREFIX
from edgeprune.models.tflite import graph

PREFIX = OWN_PREFIX

BLOCK = 4
"""Input channels that are kept or dropped together."""

OPERATORS = ("CONV_2D", "FULLY_CONNECTED")
"""What a plan can stand for."""

_MAGIC, _VERSION = b"EPKC", 2
MAX_EXTENT, MAX_TAPS, MAX_POSITIONS = 1 << 16, 1 << 10, (1 << 16) - 1
_MAX_STEP = 255
MAX_SCALE = 256.0
"""What XNNPACK takes. Source: google/XNNPACK, ``src/operators/convolution-nhwc.c``."""

CONV_2D, FULLY_CONNECTED, KEEPS_DIMENSIONS = range(3)
BOUNDS = {
    schema.ActivationFunctionType.NONE: (-np.inf, np.inf),
    schema.ActivationFunctionType.RELU: (0.0, np.inf),
    schema.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    schema.ActivationFunctionType.RELU6: (0.0, 6.0),
}


@dataclass(frozen=True)
class Geometry:
    """What a layer's cost depends on, whatever its kernel; pairs are of height and width.

    Attributes:
        op: One of :data:`OPERATORS`.
        images: Maps of an inference; of a ``FULLY_CONNECTED`` the rows of its input.
        in_channels: Channels of its input.
        out_channels: Channels of its output.
        blocks: Blocks of 4 input channels by 1 output channel in its plan: those that are not all
            zero, and a few between some that lie far apart.
        source: Size of its input map.
        result: Size of its output map.
        kernel: Size of its kernel.
        stride: Its strides.
        dilation: Its dilations.
        pad_left: Columns of padding before the first one.
    """

    op: str
    images: int
    in_channels: int
    out_channels: int
    blocks: int
    source: tuple[int, int] = (1, 1)
    result: tuple[int, int] = (1, 1)
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad_left: int = 0

    @property
    def pixels(self) -> int:
        """Output pixels of an inference."""
        return self.images * self.result[0] * self.result[1]

    @property
    def taps(self) -> int:
        """Positions of its kernel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def is_pointwise(self) -> bool:
        """Whether each output pixel is made of the input pixel at the same place."""
        return self.taps == 1 and self.source == self.result and self.stride == (1, 1)

    @property
    def groups(self) -> int:
        """Groups of 4 input channels, the last of which may have fewer."""
        return -(-self.in_channels // BLOCK)

    @property
    def whole_blocks(self) -> int:
        """Blocks, zero or not."""
        return self.groups * self.taps * self.out_channels

    @property
    def block_sparsity(self) -> float:
        """Share of its blocks that are all zero, in [0, 1]."""
        return 1 - self.blocks / self.whole_blocks


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
    kind, weights = _weights(model, subgraph, op)
    source, result = subgraph.tensors[op.inputs[0]], subgraph.tensors[op.outputs[0]]
    filters = subgraph.tensors[op.inputs[1]]
    if any(graph.dtype_of(tensor) != np.int8 for tensor in (source, filters, result)):
        raise ValueError(_NOT_INT8)
    count, step, blocks = packed_blocks(weights)
    arrays = _bias(model, subgraph, op, weights, _quantization(source)).tobytes()
    arrays += _scales(source, filters, result, len(weights)).tobytes()
    arrays += count.tobytes() + step.tobytes() + blocks.tobytes()
    body = struct.pack("<16I4i", *_numbers(subgraph, op, kind, weights), step.size,
                       *_bounds(source, result, op)) + arrays  # fmt: skip
    return _MAGIC + struct.pack("<III", _VERSION, len(body) + 16, zlib.crc32(body)) + body


_HEADER, _START = struct.Struct("<16x16I"), struct.Struct("<4sIII")
_HEADER_BYTES = 96


def check_header(plan: bytes) -> None:
    """Refuses what is no whole plan of this version.

    Raises:
        ValueError: The text says what is wrong.
    """
    if len(plan) < _HEADER_BYTES or plan[:4] != _MAGIC:
        raise ValueError("it is no plan of a convolution")
    _, version, size, crc = _START.unpack_from(plan)
    if version != _VERSION:
        raise ValueError("it is of another version of edgeprune")
    if size != len(plan):
        raise ValueError("it is cut, or followed by more")
    if zlib.crc32(plan[16:]) != crc:
        raise ValueError("it is damaged")


def geometry_of(plan: bytes, input_elements: int) -> Geometry:
    """What stands in a plan's header.

    Args:
        plan: A plan, whose arrays are not looked at.
        input_elements: Elements of the layer's input, which say how many rows or images there are.

    Raises:
        ValueError: It is no plan of this version, or its sizes cannot be; the text says why.
    """
    check_header(plan)
    kind, *sizes, blocks = _HEADER.unpack_from(plan)
    _, _, channels, _, _, units, *window = sizes
    if kind not in (CONV_2D, FULLY_CONNECTED, KEEPS_DIMENSIONS) or not all(sizes[:12]):
        raise ValueError("its sizes cannot be")
    kernel = (window[0], window[1])
    if blocks > kernel[0] * kernel[1] * -(-channels // BLOCK) * units:
        raise ValueError("it has more blocks than its sizes leave room for")
    return _geometry_of((kind, *sizes), blocks, input_elements)


def geometry_if_int8(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> Geometry:
    """The geometry of a layer with float weights, none of them zero, as an int8 file has it.

    Raises:
        ValueError: No plan could stand for the layer; the text says why.
    """
    kind, weights = _weights(model, subgraph, op)
    if op.builtinOptions.fusedActivationFunction not in BOUNDS:
        raise ValueError(_UNBOUND)
    elements = math.prod(graph.shape_of(subgraph.tensors[op.inputs[0]]))
    blocks = weights[..., 0].size * -(-weights.shape[3] // BLOCK)
    return _geometry_of(_numbers(subgraph, op, kind, weights), blocks, elements)


def _geometry_of(numbers: tuple[int, ...], blocks: int, elements: int) -> Geometry:
    """Names the numbers of a plan's header."""
    kind, height, width, channels, out_height, out_width, units, *window = numbers
    kernel, stride, dilation = ((window[k], window[k + 1]) for k in (0, 2, 4))
    return Geometry(
        OPERATORS[kind != CONV_2D],
        elements // (height * width * channels),
        channels,
        units,
        blocks,
        (height, width),
        (out_height, out_width),
        kernel,
        stride,
        dilation,
        window[-1],
    )


def plan_bytes(layer: Geometry) -> int:
    """Size of a layer's plan, less its bias, which the runtime's operators have as well."""
    return _HEADER_BYTES + 6 * layer.out_channels + 5 * layer.blocks


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
            is_conv = kind == struct.pack("<I", CONV_2D)
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


_NOT_INT8 = "its input, its output and its constant weights have to be int8"
_UNBOUND = "its fused activation is none of RELU, RELU6 and RELU_N1_TO_1"


def _weights(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> tuple[str, Array]:
    """What kind of layer it is, and its weights in the order of a convolution's."""
    kind = graph.op_name(model, op)
    if kind not in OPERATORS:
        raise ValueError(f"no kernel of edgeprune's own is a {kind}")
    source = subgraph.tensors[op.inputs[0]]
    weights = graph.constant(model, subgraph.tensors[op.inputs[1]])
    if weights is None:
        raise ValueError(_NOT_INT8)
    if kind == "FULLY_CONNECTED":
        weights = weights.reshape(len(weights), 1, 1, -1)
    channels = graph.shape_of(source)[-1] if graph.shape_of(source) else 0
    if weights.shape[3] != channels:
        raise ValueError("its channels are in groups, or its input is flattened first")
    return kind, weights


def _numbers(
    subgraph: graph.Subgraph, op: graph.Operator, kind: str, weights: Array
) -> tuple[int, ...]:
    """The numbers of a plan's header, without that of its blocks."""
    units, kernel_height, kernel_width, channels = weights.shape
    groups = -(-channels // BLOCK)
    if max(units, channels) > MAX_EXTENT or kernel_height * kernel_width > MAX_TAPS:
        raise ValueError("it is larger than a plan can say")
    if kernel_height * kernel_width * groups > MAX_POSITIONS:
        raise ValueError("its rows have more blocks than a plan can say")
    options = op.builtinOptions
    if kind == "FULLY_CONNECTED":
        keeps = KEEPS_DIMENSIONS if options.keepNumDims else FULLY_CONNECTED
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
    numbers = (CONV_2D, *sizes, channels, *outputs, units, *kernel, *strides, *dilations, *pads)
    if not all(1 <= number <= MAX_EXTENT for number in numbers[1:13]) or max(pads) > MAX_EXTENT:
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
    if not np.all((scale > 0) & (scale < MAX_SCALE)):
        raise ValueError("a scale is not between 0 and 256")
    return np.asarray(scale, "<f4")


def _bounds(
    source: graph.Tensor, result: graph.Tensor, op: graph.Operator
) -> tuple[int, int, int, int]:
    """Zero points of input and output, and the bounds that the fused activation sets."""
    activation = op.builtinOptions.fusedActivationFunction
    if activation not in BOUNDS:
        raise ValueError(_UNBOUND)
    output = _quantization(result)
    low, high = bounds_of(activation, output.scale[0], output.zero_point)
    return _quantization(source).zero_point, output.zero_point, low, high


def bounds_of(activation: int, scale: float, zero_point: int) -> tuple[int, int]:
    """What an activation of :data:`BOUNDS` leaves of int8.

    Source: google/XNNPACK, ``src/xnnpack/requantization.h``, ``xnn_qs8_quantize``.
    """
    exact = np.array(BOUNDS[activation], np.float32) / np.float32(scale)
    low, high = np.rint(np.clip(exact + np.float32(zero_point), -128, 127))
    return int(low), int(high)
