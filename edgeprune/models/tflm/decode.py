"""Reads what TensorFlow Lite Micro's DECODE reads, and takes nothing of it on trust."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflm import HEADER, OPERATOR


def decoded(tflite: bytes) -> graph.TfliteFile:
    """The model with every encoded tensor whole again, and without DECODE.

    Raises:
        ModelError: It is not a whole TFLite file, or an encoded tensor is damaged.
    """
    model = graph.read(tflite)
    for subgraph in model.subgraphs:
        kept = []
        for op in subgraph.operators:
            if model.operatorCodes[op.opcodeIndex].customCode == OPERATOR:
                _decode(model, subgraph, op)
            else:
                kept.append(op)
        subgraph.operators = kept
    return graph.write(model)


def _decode(model: graph.Model, subgraph: graph.Subgraph, op: Any) -> None:
    if len(op.inputs) != 2 * len(op.outputs):
        raise ModelError(
            f"TFLM_DECODE has {len(op.inputs)} inputs and {len(op.outputs)} outputs, and takes two "
            "inputs for each output"
        )
    for number, index in enumerate(op.outputs):
        tensor = subgraph.tensors[index]
        bitmap, values = (
            _bytes(model, subgraph.tensors[op.inputs[2 * number + i]]) for i in range(2)
        )
        whole = _joined(graph.tensor_name(tensor), tensor, bitmap, values)
        tensor.buffer = graph.add_buffer(model, whole.tobytes())


def _bytes(model: graph.Model, tensor: Any) -> Array:
    data = model.buffers[tensor.buffer].data
    if data is None:
        raise ModelError(f"{graph.tensor_name(tensor)}: an input of TFLM_DECODE is not constant")
    return np.asarray(data, np.uint8)


def _joined(name: str, tensor: Any, bitmap: Array, values: Array) -> Array:
    """A tensor's elements, as bytes: shape ``(elements, bytes of one)``."""
    dtype, count = graph.dtype_of(tensor), math.prod(graph.shape_of(tensor))
    if dtype is None:
        raise ModelError(f"{name}: TFLM_DECODE makes a type that is not known")
    if bytes(values[: len(HEADER)]) != HEADER:
        raise ModelError(f"{name}: not encoded as pruned, version 1")
    if bitmap.size != -(-count // 8):
        raise ModelError(f"{name}: a bitmap of {bitmap.size} bytes for {count} elements")
    is_kept = np.unpackbits(bitmap).astype(bool)
    if is_kept[count:].any():
        raise ModelError(f"{name}: the bitmap has elements behind the last one")
    kept = values[len(HEADER) :]
    if kept.size != int(is_kept.sum()) * dtype.itemsize:
        raise ModelError(
            f"{name}: {kept.size} bytes of values for {int(is_kept.sum())} elements of {dtype.name}"
        )
    whole = np.zeros((count, dtype.itemsize), np.uint8)
    whole[is_kept[:count]] = kept.reshape(-1, dtype.itemsize)
    return whole
