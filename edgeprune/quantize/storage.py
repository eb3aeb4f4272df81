"""The modes ``fp16`` and ``int8-weights``: narrow storage, float32 arithmetic."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.edit import set_operand
from edgeprune.prediction.xnnpack.spmm import analyse
from edgeprune.quantize.layer_modes import name_of

CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Axis of the output channels in each operator's filter."""


def weights_of(model: graph.Model) -> Iterator[tuple[graph.Subgraph, graph.Operator, int, str]]:
    """Subgraph, operator, operand and operator's name, for every filter and then bias."""
    for subgraph in model.subgraphs:
        for op in list(subgraph.operators):
            name = graph.op_name(model, op)
            if name in graph.FILTER_OPERANDS:
                for operand in (1, 2):
                    if operand < len(op.inputs) and op.inputs[operand] >= 0:
                        yield subgraph, op, operand, name


Stored = tuple[Array, FloatArray | None]
"""Values as stored, and the scale per channel; None for float values."""


def as_float16(values: FloatArray, operand: int, axis: int, name: str) -> Stored | None:
    """Filters and biases alike.

    LiteRT 1.4 to 2.1 compute garbage from 16-bit filters beside 32-bit biases.
    """
    if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise ModelError(f"weights of {name!r} exceed 65504, fp16's largest number: use int8")
    return values.astype(np.float16), None


def as_int8(values: FloatArray, operand: int, axis: int, name: str) -> Stored | None:
    """Filters only: symmetric in [-127, 127], zero point 0, one scale per output channel.

    Where half of the weights are zero or more, and rounding others to zero would break up the
    blocks of output channels that XNNPACK's sparse kernel runs at once, those become one step.
    """
    if operand != 1:
        return None
    others = tuple(k for k in range(values.ndim) if k != axis)
    scale = np.abs(values).max(axis=others, keepdims=True) / np.float32(127)
    # A channel of zeros, or one so small that the division above underflows.
    scale[scale < np.finfo(np.float32).tiny] = 1
    rounded = np.rint(values / scale).astype(np.int8)
    is_sparse = 2 * np.count_nonzero(values) <= values.size
    if is_sparse and axis == 0 and _block(rounded) < _block(values):
        lost = (rounded == 0) & (values != 0)
        rounded[lost] = np.where(values[lost] < 0, -1, 1)
    return rounded, scale.reshape(-1)


def _block(weights: Array) -> int:
    """Output channels that XNNPACK's sparse kernel takes at once."""
    return analyse(weights.reshape(len(weights), -1)).block


def store(
    model: graph.Model,
    stored_as: Callable[[FloatArray, int, int, str], Stored | None],
    layers: Collection[str] | None = None,
) -> None:
    """Replaces weights by a narrower constant and a DEQUANTIZE that feeds their readers.

    Args:
        model: Is changed.
        stored_as: One of the ways above.
        layers: Names of the layers whose weights it is for; None for all. A weight that another
            layer reads as well is stored twice.
    """
    if layers is not None:
        _part(model, layers)
    converted: set[tuple[int, int]] = set()
    for subgraph, op, operand, name in weights_of(model):
        if layers is not None and name_of(subgraph, op) not in layers:
            continue
        index = int(op.inputs[operand])
        tensor = subgraph.tensors[index]
        values = graph.constant(model, tensor)
        if values is None or (id(subgraph), index) in converted:
            continue  # computed at run time, or shared with an operator before
        axis = CHANNEL_AXIS[name]
        stored = stored_as(values, operand, axis, graph.tensor_name(tensor))
        if stored is not None:
            converted.add((id(subgraph), index))
            _dequantize(model, subgraph, index, stored, axis)


def _part(model: graph.Model, layers: Collection[str]) -> None:
    """Gives layers a tensor of their own where they share a weight with a layer outside."""
    for subgraph in model.subgraphs:
        outside = {
            int(index)
            for op in subgraph.operators
            if name_of(subgraph, op) not in layers
            for index in (op.inputs if op.inputs is not None else ())
        }
        own: dict[int, int] = {}
        for op in subgraph.operators:
            if graph.op_name(model, op) not in graph.FILTER_OPERANDS:
                continue
            if name_of(subgraph, op) in layers:
                for operand, index in enumerate(map(int, op.inputs)):
                    if operand and index in outside and _is_constant(model, subgraph, index):
                        set_operand(op, operand, _copied(subgraph, index, own))


def _is_constant(model: graph.Model, subgraph: graph.Subgraph, index: int) -> bool:
    return index >= 0 and graph.constant(model, subgraph.tensors[index]) is not None


def _copied(subgraph: graph.Subgraph, index: int, own: dict[int, int]) -> int:
    """The copy of a constant's tensor, made once; the buffer stays the same."""
    if index not in own:
        tensor = copy.copy(subgraph.tensors[index])
        tensor.name = f"{graph.tensor_name(tensor)}/own".encode()
        own[index] = len(subgraph.tensors)
        subgraph.tensors.append(tensor)
    return own[index]


def _dequantize(
    model: graph.Model, subgraph: graph.Subgraph, index: int, stored: Stored, axis: int
) -> None:
    """Turns the constant into the output of a DEQUANTIZE of a new, narrow constant."""
    values, scale = stored
    wide = subgraph.tensors[index]
    narrow = schema.TensorT()
    narrow.shape = np.array(wide.shape, np.int32)
    narrow.hasRank = wide.hasRank
    narrow.name = f"{graph.tensor_name(wide)}/stored".encode()
    narrow.buffer = graph.add_buffer(model, np.ascontiguousarray(values).tobytes())
    wide.buffer = 0  # by convention the empty one
    if scale is None:
        narrow.type, version = schema.TensorType.FLOAT16, 3
    else:
        # Version 2 takes int8, version 5 one scale per channel.
        narrow.type, version = schema.TensorType.INT8, 5 if scale.size > 1 else 2
        narrow.quantization = schema.QuantizationParametersT()
        narrow.quantization.scale = scale.astype(np.float32)
        narrow.quantization.zeroPoint = np.zeros(scale.size, np.int64)
        narrow.quantization.quantizedDimension = axis
    subgraph.tensors.append(narrow)
    op = schema.OperatorT()
    op.opcodeIndex = graph.opcode_index(model, "DEQUANTIZE", version)
    op.inputs = np.array([len(subgraph.tensors) - 1], np.int32)
    op.outputs = np.array([index], np.int32)
    op.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    op.builtinOptions = schema.DequantizeOptionsT()
    subgraph.operators.insert(0, op)
