"""Multiplications and weights of a TFLite network, however it stores them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.check.subgraphs import targets
from edgeprune.models.tflite.loop_turns import turns

_WEIGHTS = {**graph.FILTER_OPERANDS, "TRANSPOSE_CONV": 1}


@dataclass(frozen=True)
class Size:
    """What a network holds and takes, for one sample.

    Attributes:
        parameters: Weights and biases.
        nonzero_parameters: Those that are not zero; None where that cannot be read.
        macs: Multiplications with a weight in convolutions and dense layers, those in a loop as
            often as it turns; None where the data decide how often.
        nonzero_macs: Those whose weight is not zero; None likewise, or where that cannot be read.
    """

    parameters: int
    nonzero_parameters: int | None
    macs: int | None
    nonzero_macs: int | None


def size(tflite: bytes) -> Size:
    """Counts a network, whether its weights are floats or integers, stored dense or sparse.

    A filter that several operators share counts once. Biases count for each operator: converters
    merge equal ones, which new networks' zeros are.

    An operator of C output channels multiplies each of its weights once for every position of its
    output map, a transposed convolution for every position of its input map.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.view(tflite)
    held: dict[object, _Weight] = {}
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            for weight in _weights(model, subgraph, op):
                is_filter = weight.operand == _WEIGHTS[graph.op_name(model, op)]
                held[weight.buffer if is_filter else (id(op), weight.operand)] = weight
    macs = _macs(model, 0, {})
    return Size(
        sum(weight.count for weight in held.values()),
        _total(weight.nonzero for weight in held.values()),
        *(macs or (None, None)),
    )


@dataclass(frozen=True)
class _Weight:
    """A constant that a convolution or dense layer reads.

    Attributes:
        operand: Number of the operand.
        buffer: Where it is stored.
        count: Elements, those that a sparse tensor leaves out included.
        nonzero: Those that are not zero; None for a type that NumPy lacks.
    """

    operand: int
    buffer: int
    count: int
    nonzero: int | None


def _total(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


def _weights(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> Iterator[_Weight]:
    """Constants of a convolution or dense layer, across DENSIFY and DEQUANTIZE."""
    if graph.op_name(model, op) not in _WEIGHTS:
        return
    for k in range(1, len(op.inputs)):
        if op.inputs[k] < 0:
            continue
        tensor = graph.stored_source(subgraph, int(op.inputs[k]))
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data):
            count = math.prod(graph.shape_of(tensor))
            yield _Weight(k, int(tensor.buffer), count, _nonzero(model, tensor))


def _nonzero(model: graph.Model, tensor: graph.Tensor) -> int | None:
    """Elements that do not stand for zero."""
    if graph.dtype_of(tensor) is None:
        return None
    values = graph.stored_values(model, tensor)
    if values.dtype.kind not in "iu":
        return int(np.count_nonzero(values))
    points = None if tensor.quantization is None else tensor.quantization.zeroPoint
    zero = 0 if points is None or not len(points) else int(points[0])
    return int(np.count_nonzero(values != zero))


_Macs = tuple[int, int | None] | None
"""Multiplications, and those by what is not zero, where that can be read."""


def _macs(model: graph.Model, index: int, known: dict[int, _Macs]) -> _Macs:
    """Those of one run of a subgraph; :func:`graph.read` refuses one that runs itself."""
    if index not in known:
        subgraph = model.subgraphs[index]
        parts = [_operator_macs(model, subgraph, op, known) for op in subgraph.operators]
        counted = [part for part in parts if part is not None]
        is_known = len(counted) == len(parts)
        known[index] = (
            (sum(a for a, _ in counted), _total(b for _, b in counted)) if is_known else None
        )
    return known[index]


def _operator_macs(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator, known: dict[int, _Macs]
) -> _Macs:
    kind = graph.op_name(model, op)
    if kind == "WHILE":
        condition = _macs(model, int(op.builtinOptions.condSubgraphIndex), known)
        body = _macs(model, int(op.builtinOptions.bodySubgraphIndex), known)
        count = turns(model, subgraph, op)
        if count is None or condition is None or body is None:
            return None
        return _repeated(body, count, condition)
    if any(targets(op)):  # runs others, and nobody knows here which or how often
        return None
    filters = [w for w in _weights(model, subgraph, op) if w.operand == _WEIGHTS[kind]]
    positions = _positions(model, subgraph, op) if filters else 0
    nonzero = _total(weight.nonzero for weight in filters)
    macs = positions * sum(weight.count for weight in filters)
    return macs, None if nonzero is None else positions * nonzero


def _repeated(
    body: tuple[int, int | None], count: int, condition: tuple[int, int | None]
) -> tuple[int, int | None]:
    """A loop's: its condition is asked once more than its body runs."""
    macs = count * body[0] + (count + 1) * condition[0]
    if body[1] is None or condition[1] is None:
        return macs, None
    return macs, count * body[1] + (count + 1) * condition[1]


def _positions(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> int:
    is_transposed = graph.op_name(model, op) == "TRANSPOSE_CONV"
    tensor = op.inputs[2] if is_transposed else op.outputs[0]
    return math.prod(graph.shape_of(subgraph.tensors[tensor])[:-1])
