"""Changing a subgraph: new constants, tensors and operators, and the order of execution.

A pass adds operators anywhere, redirects readers, and calls :func:`sort` and :func:`sweep` at the
end; it never has to care where in the list an operator stands.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.layer_names import short_name

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
}

ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: "RELU",
    schema.ActivationFunctionType.RELU_N1_TO_1: "RELU_N1_TO_1",
    schema.ActivationFunctionType.RELU6: "RELU6",
    schema.ActivationFunctionType.TANH: "TANH",
}
"""Value of ``fusedActivationFunction`` to the operator that computes the same; None for none."""

SAME = schema.Padding.SAME
VALID = schema.Padding.VALID

_OPTIONS = {
    "ADD": "AddOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "RESHAPE": "ReshapeOptions",
    "REVERSE_V2": "ReverseV2Options",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SOFTMAX": "SoftmaxOptions",
}


def add_constant(model: graph.Model, subgraph: graph.Subgraph, values: Array, name: str) -> int:
    """Appends a constant of float32 or int32; returns its tensor index."""
    index = add_tensor(subgraph, values.shape, name, values.dtype.name)
    subgraph.tensors[index].buffer = graph.add_buffer(model, np.ascontiguousarray(values).tobytes())
    return index


def add_tensor(
    subgraph: graph.Subgraph, shape: tuple[int, ...], name: str | None, dtype: str = "float32"
) -> int:
    """Appends a tensor that an operator will make; returns its index.

    A map between two operators that always run as one needs no name, which takes space in the file.
    """
    tensor = schema.TensorT()
    tensor.shape = np.array(shape, np.int32)
    tensor.type = _TYPES[dtype]
    tensor.name = None if name is None else name.encode()
    tensor.buffer = 0
    subgraph.tensors.append(tensor)
    return len(subgraph.tensors) - 1


def add_operator(
    model: graph.Model,
    subgraph: graph.Subgraph,
    name: str,
    inputs: list[int],
    output: int,
    *,
    version: int = 1,
    **options: Any,
) -> graph.Operator:
    """Appends an operator; ``options`` are fields of its options table, as ``strideH=2``."""
    op = schema.OperatorT()
    op.opcodeIndex = graph.opcode_index(model, name, version)
    op.inputs = np.array(inputs, np.int32)
    op.outputs = np.array([output], np.int32)
    if name in _OPTIONS:
        op.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[name])
        op.builtinOptions = getattr(schema, _OPTIONS[name] + "T")()
        for key, value in options.items():
            if not hasattr(op.builtinOptions, key):
                raise AttributeError(f"{name} has no option {key}")
            setattr(op.builtinOptions, key, value)
    subgraph.operators.append(op)
    return op


def set_operand(op: graph.Operator, operand: int, tensor: int) -> None:
    """Lets ``op`` read ``tensor`` at one operand."""
    inputs = np.array(op.inputs, np.int32)
    inputs[operand] = tensor
    op.inputs = inputs


def redirect(subgraph: graph.Subgraph, old: int, new: int, *, but: graph.Operator = None) -> None:
    """Lets every reader of ``old``, but for one operator, read ``new``; graph outputs stay."""
    for op in subgraph.operators:
        if op is not but and op.inputs is not None:
            inputs = np.array(op.inputs, np.int32)
            op.inputs = np.where(inputs == old, new, inputs).astype(np.int32)


def sort(subgraph: graph.Subgraph) -> None:
    """Puts operators in an order in which each follows its producers, changing it least.

    Raises:
        ModelError: The graph has a cycle.
    """
    waiting = list(subgraph.operators)
    makers = graph.producers(subgraph)
    position = {id(op): i for i, op in enumerate(waiting)}
    ordered: list[graph.Operator] = []
    state = [0] * len(waiting)  # 0 untouched, 1 on the stack, 2 done
    for first in range(len(waiting)):
        stack = [first]
        while stack:
            i = stack[-1]
            if state[i] == 2:
                stack.pop()
                continue
            needed = []
            for tensor in waiting[i].inputs if waiting[i].inputs is not None else ():
                maker = makers.get(int(tensor))
                if maker is not None and state[position[id(maker)]] != 2:
                    needed.append(position[id(maker)])
            if not needed:
                state[i] = 2
                ordered.append(waiting[i])
                stack.pop()
                continue
            if state[i] == 1:
                raise ModelError("the graph has a cycle")
            state[i] = 1
            stack += needed[::-1]
    subgraph.operators = ordered


def sweep(subgraph: graph.Subgraph) -> None:
    """Removes operators that no output needs, and the data of constants nobody reads."""
    subgraph.operators = graph.needed_operators(subgraph)
    read = {int(index) for index in subgraph.outputs}
    for op in subgraph.operators:
        read.update(int(index) for index in (op.inputs if op.inputs is not None else ()))
    for index, tensor in enumerate(subgraph.tensors):
        if index not in read:
            tensor.buffer = 0


def compact(model: graph.Model) -> None:
    """Makes the first subgraph as small as it can be without changing what it computes.

    Constants of the same content become one, tensors and buffers that nobody refers to go, and so
    do tables without content and the names of constants: layers are known by their outputs.
    """
    subgraph = model.subgraphs[0]
    _share_constants(model, subgraph)
    for tensor in subgraph.tensors:
        tensor.name = tensor.name or None
        if tensor.quantization is not None and not _says_something(tensor.quantization):
            tensor.quantization = None
    used = {int(i) for i in (*subgraph.inputs, *subgraph.outputs)}
    for op in subgraph.operators:
        for indices in (op.inputs, op.outputs, op.intermediates):
            used.update(int(i) for i in (() if indices is None else indices) if i >= 0)
    kept = sorted(used)
    number = np.full(len(subgraph.tensors) + 1, -1, np.int32)  # the last one stands for -1
    number[kept] = np.arange(len(kept), dtype=np.int32)
    subgraph.tensors = [subgraph.tensors[i] for i in kept]
    for op in subgraph.operators:
        op.inputs = number[np.array(op.inputs, np.int32)]
        op.outputs = number[np.array(op.outputs, np.int32)]
        if op.intermediates is not None:
            op.intermediates = number[np.array(op.intermediates, np.int32)]
    subgraph.inputs = number[np.array(subgraph.inputs, np.int32)]
    subgraph.outputs = number[np.array(subgraph.outputs, np.int32)]
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == 0:
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = int(number[entry.tensorIndex])
    _drop_buffers(model)


def shorten_names(model: graph.Model) -> None:
    """Names the maps inside the first subgraph after one of the layers fused into each.

    A name that two maps would share then stays as it is, and so do those of inputs and outputs.
    """
    subgraph = model.subgraphs[0]
    makers, leaving = graph.producers(subgraph), {int(i) for i in subgraph.outputs}
    long = {index: graph.tensor_name(subgraph.tensors[index]) for index in makers}
    short = {index: short_name(name) for index, name in long.items()}
    uses = Counter((*long.values(), *short.values()))
    for index in long:
        is_taken = uses[short[index]] > 1 + (long[index] == short[index])
        if long[index] and index not in leaving and not is_taken:
            subgraph.tensors[index].name = short[index].encode()


def _share_constants(model: graph.Model, subgraph: graph.Subgraph) -> None:
    """Lets operators that read equal constants read the same one."""
    first: dict[tuple[object, ...], int] = {}
    instead: dict[int, int] = {}
    for index, tensor in enumerate(subgraph.tensors):
        data = model.buffers[tensor.buffer].data
        if tensor.sparsity is not None or data is None or not len(data) or tensor.isVariable:
            continue
        tensor.name = None
        scales = tensor.quantization.scale if tensor.quantization else None
        if scales is None or not len(scales):
            digest = hashlib.sha256(np.asarray(data, np.uint8).tobytes()).digest()
            key = (digest, graph.shape_of(tensor), tensor.type)
            instead[index] = first.setdefault(key, index)
    for op in subgraph.operators:
        op.inputs = np.array([instead.get(int(i), int(i)) for i in op.inputs], np.int32)


def _says_something(quantization: Any) -> bool:
    fields = (quantization.min, quantization.max, quantization.scale, quantization.zeroPoint)
    return quantization.details is not None or any(f is not None and len(f) for f in fields)


def _drop_buffers(model: graph.Model) -> None:
    """Removes buffers that nothing refers to; buffer 0 stays, which means no data."""
    uses = graph.buffer_uses(model)
    kept = [i for i in range(len(model.buffers)) if i == 0 or uses[i]]
    number = {old: new for new, old in enumerate(kept)}
    model.buffers = [model.buffers[i] for i in kept]
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.buffer = number[int(tensor.buffer)]
    for entry in model.metadata or ():
        entry.buffer = number[int(entry.buffer)]
