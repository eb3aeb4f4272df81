"""Which operators the XNNPACK delegate runs together.

Source: behaviour of ``PartitionGraphIntoIndependentNodeSubsets`` in LiteRT's
``tflite/graph_info.cc``: nodes are taken in epochs of one kind, delegated or not, each as long as
its inputs allow.
"""

from __future__ import annotations

import numpy as np

from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.delegation import is_delegated
from edgeprune.prediction.xnnpack.reader import STATIC, Reader


def partitions(reader: Reader) -> list[list[graph.Operator]]:
    """Sets of delegated, non-static operators, each in execution order."""
    waiting = list(reader.subgraph.operators)
    kinds = {id(op): _kind(reader, op) for op in waiting}
    made_by = {int(out) for op in waiting for out in op.outputs}
    placed: set[int] = set()
    found: list[list[graph.Operator]] = []
    while waiting:
        ready = [op for op in waiting if _is_ready(op, made_by, placed)]
        if not ready:  # a cycle, which no valid file has
            break
        kind = kinds[id(ready[0])]
        epoch: list[graph.Operator] = []
        progress = True
        while progress:
            progress = False
            for op in list(waiting):
                if kinds[id(op)] == kind and _is_ready(op, made_by, placed):
                    epoch.append(op)
                    waiting.remove(op)
                    placed.update(int(out) for out in op.outputs)
                    progress = True
        found.append([op for op in epoch if kind and not _is_static(reader, op)])
    return [ops for ops in found if ops]


def _is_static(reader: Reader, op: graph.Operator) -> bool:
    return len(op.outputs) == 1 and reader.is_static(int(op.outputs[0]))


def _kind(reader: Reader, op: graph.Operator) -> bool:
    """Whether the delegate takes an operator, a static one included.

    A static one stays outside with a reader of its output that does.
    """
    if _is_static(reader, op):
        readers = reader.consumers[int(op.outputs[0])]
        return all(_is_static(reader, r) or is_delegated(reader, r) for r, _ in readers)
    return is_delegated(reader, op)


def misread(reader: Reader, *, assume_hint: bool = False) -> list[str]:
    """Names of operators that get garbage for a sparse weight, or fail, on any CPU.

    An operator outside of XNNPACK gets garbage where its weight goes through DENSIFY and
    DEQUANTIZE: the delegate leaves it the DEQUANTIZE but keeps the DENSIFY. So does any operator
    that reads a sparse constant as if it were dense. And XNNPACK fails on integer weights behind a
    DENSIFY alone, but for a CONV_2D on integers.

    Args:
        reader: The subgraph.
        assume_hint: Take every dequantized weight for one behind a DENSIFY.
    """
    unpacks = any(graph.op_name(reader.model, op) in STATIC for op in reader.subgraph.operators)
    if not unpacks and all(tensor.sparsity is None for tensor in reader.subgraph.tensors):
        return []
    found = []
    for op in reader.subgraph.operators:
        if not _is_static(reader, op) and len(op.outputs):
            values = [int(i) for i in op.inputs if i >= 0]
            if any(_is_misread(reader, op, value, assume_hint) for value in values):
                found.append(reader.name(int(op.outputs[0])))
    return found


def _is_misread(reader: Reader, op: graph.Operator, value: int, assume_hint: bool) -> bool:
    is_outside = not is_delegated(reader, op)
    name = graph.op_name(reader.model, op)
    if reader.subgraph.tensors[value].sparsity is not None:
        return not (is_outside and name == "FULLY_CONNECTED")  # whose kernels read it
    if is_outside:
        return _is_unpacked_twice(reader, value, assume_hint)
    maker = reader.producers.get(value)
    if maker is None or graph.op_name(reader.model, maker) != "DENSIFY":
        return False
    computes_on = graph.dtype_of(reader.subgraph.tensors[int(op.inputs[0])])
    is_integer = graph.dtype_of(reader.subgraph.tensors[value]) == np.int8
    return is_integer and (computes_on != np.int8 or name != "CONV_2D")


def _is_unpacked_twice(reader: Reader, tensor: int, assume_hint: bool) -> bool:
    """Whether a static tensor is made by a DEQUANTIZE of a DENSIFY's output."""
    maker = reader.producers.get(tensor)
    if maker is None or not reader.is_static(tensor):
        return False
    if graph.op_name(reader.model, maker) != "DEQUANTIZE":
        return False
    is_weight = any(
        graph.FILTER_OPERANDS.get(graph.op_name(reader.model, op)) == operand
        for op, operand in reader.consumers[tensor]
    )
    return reader.static_root(tensor)[1] or (assume_hint and is_weight)


def _is_ready(op: graph.Operator, made_by: set[int], placed: set[int]) -> bool:
    return all(int(i) in placed for i in op.inputs if int(i) in made_by)


def foreign_values(reader: Reader, ops: list[graph.Operator]) -> frozenset[int]:
    """Tensors that a partition makes and operators outside of it read."""
    inside = {id(op) for op in ops}
    produced = {int(out) for op in ops for out in op.outputs}
    return frozenset(
        tensor
        for tensor in produced
        if any(id(op) not in inside for op, _ in reader.consumers[tensor])
    )


def external_values(reader: Reader, ops: list[graph.Operator]) -> frozenset[int]:
    """Tensors that enter or leave a partition."""
    produced = {int(out) for op in ops for out in op.outputs}
    read = {int(i) for op in ops for i in op.inputs if i >= 0 and not reader.is_static(int(i))}
    outputs = {int(i) for i in reader.subgraph.outputs}
    return frozenset((read - produced) | (produced & outputs) | foreign_values(reader, ops))
