"""Stage ``sparsify``: stores each weight tensor in its smallest form that runs right.

A sparse weight is always a sparse constant, then DENSIFY, then (for fp16 and int8 storage)
DEQUANTIZE, then the operator. That keeps every operator inside XNNPACK, where clusters of the
graph may run sparse kernels, and away from the built-in kernels that read sparse weights
themselves: a single-threaded one for blocks of 1x4, and one for hybrid FULLY_CONNECTED version 12
that reads compressed weights as dense ones.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune import graph
from edgeprune.artifacts import Array, EncodedTensor, Sparsified
from edgeprune.board import Cpu
from edgeprune.explain import explain
from edgeprune.names import short_name
from edgeprune.sparsify import encode as encoding_of
from edgeprune.sparsify.encode import OVERHEAD_BYTES, Encoding, decode, smallest_encoding

ANY_ARM = Cpu(core="any", isa="aarch64", features=())
"""A file travels: it must be right wherever XNNPACK has sparse kernels, not on one board only."""


@dataclass
class _Weight:
    """A weight tensor, the operator that reads it first, and what is decided for it."""

    subgraph: graph.Subgraph
    tensor: graph.Tensor
    index: int
    op: str
    name: str
    data: Array
    encoding: Encoding | None
    reason: str


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
    weights = [w for subgraph in model.subgraphs for w in _weights(model, subgraph)]
    if any(w.encoding for w in weights):
        if wrong := explain(model, ANY_ARM, assume_armed=True).wrong:
            victim = short_name(wrong[0])
            for weight in weights:
                if weight.encoding:
                    weight.encoding = None
                    weight.reason = f"sparse, the runtime would compute {victim} wrong"
    sizes = {id(w): _store(model, w, w.encoding) for w in weights if w.encoding}
    after = graph.write(model) if sizes or made_dense else tflite
    plan = explain(after, cpu)
    decisions = tuple(_decision(w, sizes.get(id(w))) for w in weights)
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
    found = False
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.sparsity is not None:
                stored = graph.stored_values(model, tensor)
                data = decode(stored, tensor.sparsity, graph.shape_of(tensor))
                tensor.buffer = graph.add_buffer(model, data.tobytes())
                tensor.sparsity = None
                found = True
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
    return found


def _weights(model: graph.Model, subgraph: graph.Subgraph) -> list[_Weight]:
    """Every constant that is read as a filter and as nothing else, once, in graph order."""
    makers, readers = graph.producers(subgraph), graph.consumers(subgraph)
    found: dict[int, _Weight] = {}
    for op in subgraph.operators:
        name = graph.op_name(model, op)
        if name not in graph.FILTER_OPERANDS:
            continue
        index = int(op.inputs[graph.FILTER_OPERANDS[name]])
        maker = makers.get(index)
        is_dequantized = maker is not None and graph.op_name(model, maker) == "DEQUANTIZE"
        uses = readers[index]
        if is_dequantized and maker is not None:
            index = int(maker.inputs[0])
            uses = uses + [use for use in readers[index] if use[0] is not maker]
        tensor = subgraph.tensors[index]
        data = graph.constant(model, tensor)
        if index in found or data is None or data.ndim < 2:
            continue
        shared = any(
            graph.FILTER_OPERANDS.get(graph.op_name(model, reading)) != operand
            for reading, operand in uses
        )
        reason = "read by other operators too" if shared else _obstacle(model, subgraph, op, tensor)
        encoding = None
        if not reason:
            encoding = smallest_encoding(data)
            if encoding.bytes + _overhead_bytes(tensor) >= data.nbytes:
                encoding, reason = None, "dense is smaller"
        output = graph.tensor_name(subgraph.tensors[op.outputs[0]])
        found[index] = _Weight(subgraph, tensor, index, name, output, data, encoding, reason)
    return list(found.values())


def _overhead_bytes(tensor: graph.Tensor) -> int:
    """What storing a tensor sparse costs beside its arrays; 12 bytes a scale with zero point."""
    scales = tensor.quantization.scale if tensor.quantization else None
    repeated = len(tensor.name or b"") + 12 * (0 if scales is None else len(scales))
    return OVERHEAD_BYTES + repeated


def _obstacle(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator, tensor: graph.Tensor
) -> str:
    """Why a filter must stay dense for its outputs to be right; empty if it need not."""
    dtype = graph.dtype_of(tensor)
    activation = graph.dtype_of(subgraph.tensors[op.inputs[0]])
    if dtype not in (np.float32, np.float16, np.int8):
        return f"the runtime cannot unpack sparse {dtype} weights"
    if dtype == np.float16 and _bias_type(model, subgraph, op) == np.float32:
        return "fp16 weights with an fp32 bias come out wrong in LiteRT 1.4 to 2.1"
    if dtype == np.int8:
        is_direct = subgraph.tensors[op.inputs[1]] is tensor
        if is_direct and activation == np.float32:
            return "sparse dynamic-range weights are read as dense ones by the runtime"
        if is_direct and graph.op_name(model, op) != "CONV_2D":
            return "XNNPACK fails to compile integer layers but CONV_2D with unpacked weights"
        zero_points = tensor.quantization.zeroPoint if tensor.quantization else None
        if zero_points is None or np.any(np.asarray(zero_points) != 0):
            return "its zero point is not 0, which sparse storage assumes"
    return ""


def _bias_type(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator
) -> np.dtype[np.generic] | None:
    """Type in which the bias is stored, looking through a DEQUANTIZE; None without a bias."""
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return None
    index = int(op.inputs[2])
    maker = graph.producers(subgraph).get(index)
    if maker is not None and graph.op_name(model, maker) == "DEQUANTIZE":
        index = int(maker.inputs[0])
    return graph.dtype_of(subgraph.tensors[index])


def _store(model: graph.Model, weight: _Weight, encoding: Encoding) -> int:
    """Rewrites one tensor as a sparse constant with a DENSIFY behind it; returns its bytes."""
    subgraph = weight.subgraph
    values, sparsity = encoding_of.encode(weight.data, encoding)
    dense = copy.copy(weight.tensor)
    dense.buffer = 0
    dense.name = (weight.tensor.name or b"") + b"/dense"
    subgraph.tensors.append(dense)
    dense_index = len(subgraph.tensors) - 1
    for op in subgraph.operators:
        inputs = np.array(op.inputs, np.int32)
        op.inputs = np.where(inputs == weight.index, dense_index, inputs).astype(np.int32)
    weight.tensor.buffer = graph.add_buffer(model, values)
    weight.tensor.sparsity = sparsity
    op = schema.OperatorT()
    op.opcodeIndex = graph.opcode_index(model, "DENSIFY", 1)
    op.inputs = np.array([weight.index], np.int32)
    op.outputs = np.array([dense_index], np.int32)
    op.builtinOptionsType = schema.BuiltinOptions.DensifyOptions
    op.builtinOptions = schema.DensifyOptionsT()
    subgraph.operators.insert(0, op)
    return encoding.bytes


def _decision(weight: _Weight, stored: int | None) -> EncodedTensor:
    return EncodedTensor(
        name=weight.name,
        op=weight.op,
        shape=tuple(weight.data.shape),
        weights=int(weight.data.size),
        zeros=int(weight.data.size - np.count_nonzero(weight.data)),
        dense_bytes=int(weight.data.nbytes),
        stored_bytes=int(weight.data.nbytes) if stored is None else stored,
        encoded=stored is not None,
        reason=weight.reason or "sparse is smaller",
    )
