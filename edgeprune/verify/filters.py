"""The weights that a TFLite file stores, dense again, whatever they are stored as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.sparse_tensor import decode
from edgeprune.prediction.xnnpack.reader import Reader

_CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


@dataclass(frozen=True, eq=False)
class Filter:
    """One stored weight tensor.

    Attributes:
        name: Name of the output of the operator that reads it first.
        op: That operator, as ``CONV_2D``.
        stored: Its values as they are stored, of the tensor's shape.
        values: The same, dequantized.
        channel_axis: Axis of its output channels.
    """

    name: str
    op: str
    stored: Array
    values: FloatArray
    channel_axis: int


def filters_of(tflite: bytes) -> list[Filter]:
    """Every constant weight tensor that an output depends on, in graph order, each once.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.view(tflite)
    found: dict[tuple[int, str], Filter] = {}
    for subgraph in model.subgraphs:
        reader = Reader(model, subgraph)
        for op in graph.needed_operators(subgraph):
            kind = graph.op_name(model, op)
            operand = graph.FILTER_OPERANDS.get(kind)
            if operand is None or not reader.is_static(int(op.inputs[operand])):
                continue
            tensor, _ = reader.static_root(int(op.inputs[operand]))
            stored = graph.constant(model, tensor)
            if tensor.sparsity is not None:
                flat = graph.stored_values(model, tensor)
                stored = decode(flat, tensor.sparsity, graph.shape_of(tensor))
            if stored is not None and (int(tensor.buffer), kind) not in found:
                name = reader.name(int(op.outputs[0]))
                real = _dequantized(stored, tensor)
                axis = _CHANNEL_AXIS[kind]
                found[int(tensor.buffer), kind] = Filter(name, kind, stored, real, axis)
    return list(found.values())


def _dequantized(stored: Array, tensor: graph.Tensor) -> FloatArray:
    """``scale * (value - zero_point)``, with one scale per slice of the quantized dimension."""
    quantization = tensor.quantization
    if stored.dtype.kind == "f" or quantization is None or quantization.scale is None:
        return stored.astype(np.float32)
    shape = [1] * stored.ndim
    if len(quantization.scale) > 1:
        shape[int(quantization.quantizedDimension)] = -1
    scale = np.asarray(quantization.scale, np.float32).reshape(shape)
    zero_point = np.asarray(quantization.zeroPoint).reshape(shape)
    values: FloatArray = ((stored.astype(np.float32) - zero_point) * scale).astype(np.float32)
    return values


Item = TypeVar("Item")
Pairs = list[tuple[Item, Item]]


def paired(
    before: Sequence[Item], after: Sequence[Item], keys: Sequence[list[tuple[str, int]]]
) -> tuple[Pairs[Item], list[Item], list[Item]]:
    """Finds weight tensors of one file again in another made of it.

    In order where there are as many of the same sizes; else, since a rewrite may have split or
    added some, by name and size.

    Args:
        before: Of the one file, in graph order.
        after: Of the other.
        keys: Names and sizes of either.

    Returns:
        The pairs, and what is left over of either file.
    """
    if [size for _, size in keys[0]] == [size for _, size in keys[1]]:
        return list(zip(before, after, strict=True)), [], []
    theirs = dict(zip(keys[1], after, strict=True))
    pairs, lost = [], []
    for key, item in zip(keys[0], before, strict=True):
        if key in theirs:
            pairs.append((item, theirs.pop(key)))
        else:
            lost.append(item)
    return pairs, lost, list(theirs.values())
