"""Stage ``sparsify``: stores each weight tensor in its smallest form that runs right.

A sparse weight is always a sparse constant, then DENSIFY, then (for fp16 and int8 storage)
DEQUANTIZE, then the operator. That keeps every operator inside XNNPACK, where clusters of the
graph may run sparse kernels, and away from the built-in kernels that read sparse weights
themselves: a single-threaded one for blocks of 1x4, and one for hybrid FULLY_CONNECTED version 12
that reads compressed weights as dense ones.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.stored import EncodedTensor, Sparsified
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import edit, graph
from edgeprune.models.tflite.sparse_tensor import decode
from edgeprune.prediction import explain
from edgeprune.sparsify import encode as encoding_of
from edgeprune.sparsify.encode import Encoding
from edgeprune.sparsify.sparse_hint import hint_sparse
from edgeprune.sparsify.weights import Weight, weights_of


def sparsify(tflite: bytes, cpu: Cpu, *, encode: bool = True) -> Sparsified:
    """Encodes the weights of a model.

    Args:
        tflite: A file in any of the storage types that the quantize stage writes. Sparse tensors
            that it brings are decoded first, so that one writer decides on all of them.
        cpu: The board's cores, to plan which layers will run sparse there.
        encode: False leaves the file as it is, and only plans.

    Raises:
        ModelError: The file is damaged.
    """
    if not encode:
        plan = explain(tflite, cpu)
        return Sparsified(tflite, (), plan.sparse, plan.reasons())
    model = graph.read(tflite)
    made_dense = densify(model)
    weights = [w for subgraph in model.subgraphs for w in weights_of(model, subgraph)]
    hint_sparse(model, weights, cpu)
    is_changed = made_dense or any(weight.is_sparse for weight in weights)
    if is_changed:
        _store(model, [weight for weight in weights if weight.is_sparse])
        edit.compact(model)
    plan = explain(model, cpu)
    after = graph.write(model) if is_changed else tflite
    decisions = tuple(_decision(weight) for weight in weights)
    return Sparsified(after, decisions, plan.sparse, plan.reasons())


def stored_dense(tflite: bytes) -> bytes:
    """The same model with every weight stored dense; ``tflite`` itself if they are already.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.read(tflite)
    return graph.write(model) if densify(model) else tflite


def densify(model: graph.Model) -> bool:
    """Decodes every sparse constant in place and removes its DENSIFY; True if there was one.

    Raises:
        ModelError: A sparse tensor is damaged.
    """
    is_changed = False
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.sparsity is not None:
                stored = graph.stored_values(model, tensor)
                data = decode(stored, tensor.sparsity, graph.shape_of(tensor))
                tensor.buffer = graph.add_buffer(model, data.tobytes())
                tensor.sparsity = None
                is_changed = True
        renamed = {
            int(op.outputs[0]): int(op.inputs[0])
            for op in subgraph.operators
            if graph.op_name(model, op) == "DENSIFY"
        }
        subgraph.operators = [
            op for op in subgraph.operators if graph.op_name(model, op) != "DENSIFY"
        ]
        for op in subgraph.operators:
            op.inputs = np.array([renamed.get(int(i), int(i)) for i in op.inputs], np.int32)
    return is_changed


def _store(model: graph.Model, weights: Sequence[Weight]) -> None:
    """Rewrites tensors as sparse constants, each with a DENSIFY in front of all operators."""
    for subgraph in model.subgraphs:
        dense: dict[int, int] = {}  # stored tensor to the one that its DENSIFY makes
        for weight in weights:
            if weight.subgraph is subgraph and weight.smallest is not None:
                dense[weight.index] = len(subgraph.tensors)
                subgraph.tensors.append(_encoded(model, weight, weight.smallest))
        for op in subgraph.operators:
            op.inputs = np.array([dense.get(int(i), int(i)) for i in op.inputs], np.int32)
        unpacking = [_unpacking(model, source, output) for source, output in dense.items()]
        subgraph.operators = unpacking + subgraph.operators


def _encoded(model: graph.Model, weight: Weight, encoding: Encoding) -> graph.Tensor:
    """Encodes a tensor in place; returns the one that stands for its values, dense."""
    values, sparsity = encoding_of.encode(weight.data, encoding)
    weight.tensor.name = None  # layers are known by their outputs
    dense = copy.copy(weight.tensor)
    dense.buffer = 0
    weight.tensor.buffer = graph.add_buffer(model, values)
    weight.tensor.sparsity = sparsity
    return dense


def _unpacking(model: graph.Model, source: int, output: int) -> graph.Operator:
    """A DENSIFY, which belongs to no subgraph yet."""
    op = schema.OperatorT()
    op.opcodeIndex = graph.opcode_index(model, "DENSIFY", 1)
    op.inputs, op.outputs = np.array([source], np.int32), np.array([output], np.int32)
    op.builtinOptionsType = schema.BuiltinOptions.DensifyOptions
    op.builtinOptions = schema.DensifyOptionsT()
    return op


def _decision(weight: Weight) -> EncodedTensor:
    dense_bytes = int(weight.data.nbytes)
    is_sparse = weight.is_sparse and weight.smallest is not None
    return EncodedTensor(
        name=weight.name,
        op=weight.op,
        shape=tuple(weight.data.shape),
        weights=int(weight.data.size),
        zeros=int(weight.data.size - np.count_nonzero(weight.data)),
        dense_bytes=dense_bytes,
        stored_bytes=weight.smallest.bytes if weight.smallest and is_sparse else dense_bytes,
        encoded=is_sparse,
        reason=weight.reason,
    )
