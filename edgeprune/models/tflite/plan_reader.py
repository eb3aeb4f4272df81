"""Plans of edgeprune's own kernels, read back: layers as the runtime's own operators again.

A file that holds them runs where edgeprune's kernels are alone. What is made here of it runs
everywhere and computes the same, so that the host can judge it. Everything that stands in a file is
checked, as ``device_agents/kernels/plan.c`` does on the device.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.conv_plan import (
    BLOCK,
    BOUNDS,
    CONV_2D,
    FULLY_CONNECTED,
    KEEPS_DIMENSIONS,
    MAX_EXTENT,
    MAX_POSITIONS,
    MAX_SCALE,
    MAX_TAPS,
    PREFIX,
    bounds_of,
    check_header,
)

MAX_DENSE_BYTES = 1 << 31
"""Of all weights together, once they are dense: a TFLite file holds no more."""

_FIELDS = (
    "kind in_height in_width in_channels out_height out_width out_channels kernel_height "
    "kernel_width stride_height stride_width dilation_height dilation_width pad_top pad_left blocks"
).split()
_VALUES = ("input_zero_point", "output_zero_point", "output_min", "output_max")
_HEADER = struct.Struct("<16x16I4i")


@dataclass(frozen=True)
class Plan:
    """A plan, as it stands in a file.

    Attributes:
        fields: Numbers of the header by name, as in ``struct plan`` of ``plan.h``.
        bias: What each sum begins with, int32 of shape ``(out_channels,)``.
        scale: From sums to outputs, float32 of shape ``(out_channels,)``.
        count: Blocks of each row, shape ``(out_channels,)``.
        position: Each block's place in its row, shape ``(blocks,)``.
        weights: int8, shape ``(blocks, 4)``.
    """

    fields: dict[str, int]
    bias: Array
    scale: Array
    count: Array
    position: Array
    weights: Array

    @property
    def dense_bytes(self) -> int:
        """Size of all weights, in bytes."""
        rows, groups = self.fields["out_channels"], -(-self.fields["in_channels"] // BLOCK)
        return rows * _taps(self.fields) * groups * BLOCK

    def dense_weights(self) -> Array:
        """All weights, int8 of shape ``(out_channels, height, width, in_channels)``."""
        fields = self.fields
        taps, groups = _taps(fields), -(-fields["in_channels"] // BLOCK)
        rows = np.zeros((fields["out_channels"], taps * groups, BLOCK), np.int8)
        rows[np.repeat(np.arange(len(rows)), self.count), self.position] = self.weights
        shape = (fields["kernel_height"], fields["kernel_width"])
        dense = rows.reshape(len(rows), taps, groups * BLOCK)[:, :, : fields["in_channels"]]
        return np.ascontiguousarray(dense).reshape(len(rows), *shape, fields["in_channels"])


def read_plan(plan: bytes) -> Plan:
    """Reads and checks every field and array.

    Raises:
        ValueError: It is damaged, or cannot be; the text says what is wrong.
    """
    check_header(plan)
    numbers = _HEADER.unpack_from(plan)
    fields = dict(zip((*_FIELDS, *_VALUES), numbers, strict=True))
    _check_sizes(fields)
    _check_values(fields)
    rows, blocks = fields["out_channels"], fields["blocks"]
    lengths = [4 * rows, 4 * rows, 2 * rows, blocks, 4 * blocks]
    if len(plan) != _HEADER.size + sum(lengths):
        raise ValueError("its length does not fit its rows and blocks")
    starts = np.cumsum([_HEADER.size, *lengths])
    bias, scale, count, step, weights = (
        np.frombuffer(plan, kind, length // np.dtype(kind).itemsize, int(start))
        for kind, length, start in zip(
            ("<i4", "<f4", "<u2", "u1", "i1"), lengths, starts, strict=False
        )
    )
    count = count.astype(np.int64)
    if count.sum() != blocks:
        raise ValueError("its rows' blocks are not those that it has")
    first = np.zeros(blocks, np.bool_)
    first[(np.cumsum(count) - count)[count > 0]] = True
    if np.any((step == 0) & ~first):
        raise ValueError("two blocks of a row are at one place")
    position = _positions(count, step)
    if np.any(position >= _taps(fields) * -(-fields["in_channels"] // BLOCK)):
        raise ValueError("a block lies outside the input")
    if not np.all(np.isfinite(scale) & (scale > 0) & (scale < MAX_SCALE)):
        raise ValueError("a scale is not between 0 and 256")
    return Plan(fields, bias, scale, count, position, weights.reshape(-1, BLOCK))


def _positions(count: Array, step: Array) -> Array:
    """Each block's place in its row: the sum of the row's distances up to it."""
    sums = np.cumsum(step, dtype=np.int64)
    before = np.concatenate(([0], sums))[np.cumsum(count) - count]  # of an empty row, nobody's
    positions: Array = sums - np.repeat(before, count)
    return positions


def _taps(fields: dict[str, int]) -> int:
    return fields["kernel_height"] * fields["kernel_width"]


def _check_sizes(fields: dict[str, int]) -> None:
    if not all(1 <= fields[name] <= MAX_EXTENT for name in _FIELDS[1:13]):
        raise ValueError("a size is 0 or too large")
    if max(fields["pad_top"], fields["pad_left"]) > MAX_EXTENT:
        raise ValueError("its padding is too large")
    taps, groups = _taps(fields), -(-fields["in_channels"] // BLOCK)
    if taps > MAX_TAPS or taps * groups > MAX_POSITIONS:
        raise ValueError("its kernel or its rows are too large")
    if fields["kind"] not in (CONV_2D, FULLY_CONNECTED, KEEPS_DIMENSIONS):
        raise ValueError("its kind is unknown")
    window = [fields[name] for name in ("in_height", "in_width", "out_height", "out_width")]
    is_one_pixel = (*window, taps, fields["pad_top"], fields["pad_left"]) == (1, 1, 1, 1, 1, 0, 0)
    if fields["kind"] != CONV_2D and not is_one_pixel:
        raise ValueError("a dense layer has a window")


def _check_values(fields: dict[str, int]) -> None:
    if not all(-128 <= fields[name] <= 127 for name in _VALUES):
        raise ValueError("a zero point or a bound is no int8")
    if fields["output_min"] > fields["output_max"]:
        raise ValueError("the bounds of its output are no range")


def holds_own_kernels(model: graph.Model) -> bool:
    """Whether layers of a file run in edgeprune's own kernels."""
    return any(_name(model, op).startswith(PREFIX) for op in _operators(model))


def with_runtime_kernels(tflite: bytes) -> bytes:
    """The same network with every layer in operators that any runtime has.

    Outputs are the same, bit for bit, on the same processor, but where no weights' scale gives the
    layer's own exactly: then one may differ by one.

    Args:
        tflite: A file; itself comes back where nothing is to be done.

    Raises:
        ModelError: A plan is damaged, or does not fit the tensors of its layer.
    """
    model = graph.read(tflite)
    if not holds_own_kernels(model):
        return tflite
    if any(_name(model, op).startswith(PREFIX) for s in model.subgraphs[1:] for op in s.operators):
        raise ModelError(f"an operator {PREFIX}N stands in a subgraph, where edgeprune puts none")
    subgraph, left = model.subgraphs[0], MAX_DENSE_BYTES
    for op in subgraph.operators:
        name = _name(model, op)
        if not name.startswith(PREFIX):
            continue
        try:
            options = op.customOptions
            plan = read_plan(b"" if options is None else bytes(bytearray(options)))
            left -= plan.dense_bytes
            if left < 0:
                raise ValueError("with it, dense weights would be larger than 2 GB")
            _replace(model, subgraph, op, plan)
        except ValueError as error:
            raise ModelError(
                f"the plan of {name} is refused: {error}; make the file anew from its model"
            ) from error
    return graph.write(model)


def _operators(model: graph.Model) -> Iterator[graph.Operator]:
    for subgraph in model.subgraphs:
        yield from subgraph.operators


def _name(model: graph.Model, op: graph.Operator) -> str:
    code = model.operatorCodes[op.opcodeIndex].customCode or b""
    return code.decode("utf-8", "replace") if isinstance(code, bytes) else str(code)


def _replace(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator, plan: Plan) -> None:
    if len(op.inputs) != 1 or len(op.outputs) != 1 or min(op.inputs[0], op.outputs[0]) < 0:
        raise ValueError("it has not one input and one output")
    source, result = subgraph.tensors[op.inputs[0]], subgraph.tensors[op.outputs[0]]
    _check_tensors(source, result, plan)
    weights, fields = plan.dense_weights(), plan.fields
    input_scale, output_scale = (np.float32(one.quantization.scale[0]) for one in (source, result))
    scale = _weight_scale(plan.scale, input_scale, output_scale)
    sums = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int64)
    bias = (plan.bias + fields["input_zero_point"] * sums) & 0xFFFFFFFF
    bias_scale = (input_scale.astype(np.float64) * scale).astype(np.float32)
    if fields["kind"] != CONV_2D:
        weights = weights.reshape(len(weights), -1)
    name = graph.tensor_name(result)
    filters = _constant(model, subgraph, f"{name}/weights", weights, scale)
    biases = _constant(model, subgraph, f"{name}/bias", bias.astype("<u4").view("<i4"), bias_scale)
    op.inputs = np.array([op.inputs[0], filters, biases], np.int32)
    op.customOptions = None
    activation = _activation(result, fields)
    if fields["kind"] == CONV_2D:
        op.opcodeIndex = graph.opcode_index(model, "CONV_2D", 3)
        op.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
        op.builtinOptions = schema.Conv2DOptionsT()
        for short, long in (("H", "height"), ("W", "width")):
            setattr(op.builtinOptions, f"stride{short}", fields[f"stride_{long}"])
            setattr(op.builtinOptions, f"dilation{short}Factor", fields[f"dilation_{long}"])
        op.builtinOptions.padding = _padding(fields)
    else:
        op.opcodeIndex = graph.opcode_index(model, "FULLY_CONNECTED", 5)
        op.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        op.builtinOptions = schema.FullyConnectedOptionsT()
        op.builtinOptions.keepNumDims = fields["kind"] == KEEPS_DIMENSIONS
    op.builtinOptions.fusedActivationFunction = activation


def _check_tensors(source: graph.Tensor, result: graph.Tensor, plan: Plan) -> None:
    """Holds the layer's tensors against its plan."""
    fields = plan.fields
    for tensor, zero_point in ((source, "input_zero_point"), (result, "output_zero_point")):
        found = tensor.quantization
        is_plain = (
            graph.dtype_of(tensor) == np.int8
            and found is not None
            and found.scale is not None
            and found.zeroPoint is not None
            and len(found.scale) == len(found.zeroPoint) == 1
            and np.isfinite(found.scale[0])
            and found.scale[0] > 0
        )
        if not is_plain or int(found.zeroPoint[0]) != fields[zero_point]:
            raise ValueError("its tensors are not quantized as it says")
    ends = [graph.shape_of(tensor) for tensor in (source, result)]
    channels = [fields["in_channels"], fields["out_channels"]]
    if [shape[-1] if shape else 0 for shape in ends] != channels:
        raise ValueError("its tensors have other channels than it says")
    if fields["kind"] == CONV_2D:
        maps = [
            (fields["in_height"], fields["in_width"]), (fields["out_height"], fields["out_width"])
        ]  # fmt: skip
        if [len(shape) for shape in ends] != [4, 4] or [shape[1:3] for shape in ends] != maps:
            raise ValueError("its tensors have another size than it says")


def _weight_scale(scale: Array, input_scale: np.float32, output_scale: np.float32) -> Array:
    """Scales of weights of which input, weights and output give ``scale`` in float32."""
    guess = (scale.astype(np.float64) * float(output_scale) / float(input_scale)).astype(np.float32)
    best = guess.copy()
    for steps in range(-4, 5):
        other = guess.copy()
        for _ in range(abs(steps)):
            other = np.nextafter(other, np.float32(np.sign(steps) * np.inf), dtype=np.float32)
        with np.errstate(over="ignore", under="ignore"):
            is_exact = input_scale * other / output_scale == scale
        best = np.where(is_exact & (other > 0), other, best)
    if not np.all(np.isfinite(best) & (best > 0)):
        raise ValueError("no scale of weights gives its scale")
    return np.asarray(best, np.float32)


def _activation(result: graph.Tensor, fields: dict[str, int]) -> int:
    wanted = fields["output_min"], fields["output_max"]
    scale, zero_point = result.quantization.scale[0], fields["output_zero_point"]
    for activation in BOUNDS:
        if bounds_of(activation, scale, zero_point) == wanted:
            return int(activation)
    raise ValueError("no activation of TFLite's has its bounds")


def _padding(fields: dict[str, int]) -> int:
    """SAME or VALID, whichever has the plan's padding and sizes."""
    for padding in (schema.Padding.VALID, schema.Padding.SAME):
        if all(_is_padded(fields, end, padding) for end in ("height", "width")):
            return int(padding)
    raise ValueError("its padding is neither SAME nor VALID")


def _is_padded(fields: dict[str, int], end: str, padding: int) -> bool:
    size, out, stride = fields[f"in_{end}"], fields[f"out_{end}"], fields[f"stride_{end}"]
    span = (fields[f"kernel_{end}"] - 1) * fields[f"dilation_{end}"] + 1
    pad = fields["pad_top" if end == "height" else "pad_left"]
    if padding == schema.Padding.VALID:
        return pad == 0 and out == (size - span) // stride + 1
    return out == -(-size // stride) and pad == max((out - 1) * stride + span - size, 0) // 2


def _constant(
    model: graph.Model, subgraph: graph.Subgraph, name: str, values: Array, scale: Array
) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name.encode(), np.array(values.shape, np.int32)
    types = {1: schema.TensorType.INT8, 4: schema.TensorType.INT32}
    tensor.type = types[values.dtype.itemsize]
    tensor.buffer = graph.add_buffer(model, values.tobytes())
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = scale
    tensor.quantization.zeroPoint = np.zeros(len(scale), np.int64)
    tensor.quantization.quantizedDimension = 0
    subgraph.tensors.append(tensor)
    return len(subgraph.tensors) - 1
