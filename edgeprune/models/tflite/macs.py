"""Multiplications and weights of a float TFLite network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.compression import Array
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.check.subgraphs import targets
from edgeprune.models.tflite.loop_turns import turns

_WEIGHTS = {**graph.FILTER_OPERANDS, "TRANSPOSE_CONV": 1}


@dataclass(frozen=True)
class Size:
    """What a network holds and takes, for one sample.

    Attributes:
        parameters: Weights and biases.
        nonzero_parameters: Those that are not zero.
        macs: Multiplications with a weight in convolutions and dense layers, those in a loop as
            often as it turns; None where the data decide how often.
        nonzero_macs: Those whose weight is not zero; None likewise.
    """

    parameters: int
    nonzero_parameters: int
    macs: int | None
    nonzero_macs: int | None


def size(tflite: bytes) -> Size:
    """Counts a network whose weights are stored dense as floats.

    A filter that several operators share counts once. Biases count for each operator: converters
    merge equal ones, which new networks' zeros are.

    An operator of C output channels multiplies each of its weights once for every position of its
    output map, a transposed convolution for every position of its input map.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.view(tflite)
    held: dict[object, tuple[int, int]] = {}
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            for k, values in _weights(model, subgraph, op):
                is_filter = k == _WEIGHTS[graph.op_name(model, op)]
                key = int(subgraph.tensors[op.inputs[k]].buffer) if is_filter else (id(op), k)
                held[key] = (values.size, int(np.count_nonzero(values)))
    macs = _macs(model, 0, {})
    return Size(
        sum(count for count, _ in held.values()),
        sum(nonzero for _, nonzero in held.values()),
        *(macs or (None, None)),
    )


def _weights(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator
) -> Iterator[tuple[int, Array]]:
    """Float constants of a convolution or dense layer, with their operands' numbers."""
    if graph.op_name(model, op) not in _WEIGHTS:
        return
    for k in range(1, len(op.inputs)):
        if op.inputs[k] >= 0:
            values = graph.constant(model, subgraph.tensors[op.inputs[k]])
            if values is not None and values.dtype.kind == "f":
                yield k, values


_Macs = tuple[int, int] | None
"""Multiplications, and those by what is not zero."""


def _macs(model: graph.Model, index: int, known: dict[int, _Macs]) -> _Macs:
    """Those of one run of a subgraph; :func:`graph.read` refuses one that runs itself."""
    if index not in known:
        subgraph = model.subgraphs[index]
        parts = [_operator_macs(model, subgraph, op, known) for op in subgraph.operators]
        counted = [part for part in parts if part is not None]
        is_known = len(counted) == len(parts)
        known[index] = (
            (sum(a for a, _ in counted), sum(b for _, b in counted)) if is_known else None
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
        return (
            count * body[0] + (count + 1) * condition[0],
            count * body[1] + (count + 1) * condition[1],
        )
    if any(targets(op)):  # runs others, and nobody knows here which or how often
        return None
    macs = nonzero = 0
    for k, values in _weights(model, subgraph, op):
        if k == _WEIGHTS[kind]:
            positions = _positions(model, subgraph, op)
            macs += positions * values.size
            nonzero += positions * int(np.count_nonzero(values))
    return macs, nonzero


def _positions(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> int:
    is_transposed = graph.op_name(model, op) == "TRANSPOSE_CONV"
    tensor = op.inputs[2] if is_transposed else op.outputs[0]
    return math.prod(graph.shape_of(subgraph.tensors[tensor])[:-1])
