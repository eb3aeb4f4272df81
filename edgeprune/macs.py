"""Multiplications and weights of a float TFLite network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeprune import graph

_WEIGHTS = {**graph.FILTER_OPERANDS, "TRANSPOSE_CONV": 1}


@dataclass(frozen=True)
class Size:
    """What a network holds and takes, for one sample.

    Attributes:
        parameters: Weights and biases.
        nonzero_parameters: Those that are not zero.
        macs: Multiplications with a weight in convolutions and dense layers.
        nonzero_macs: Those whose weight is not zero.
    """

    parameters: int
    nonzero_parameters: int
    macs: int
    nonzero_macs: int


def size(tflite: bytes) -> Size:
    """Counts a network whose weights are stored dense as floats.

    A filter that several operators share counts once. Biases count for each operator: converters
    merge equal ones, which new networks' zeros are.

    An operator of C output channels multiplies each of its weights once for every position of its
    output map, a transposed convolution for every position of its input map.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.read(tflite)
    held: dict[object, tuple[int, int]] = {}
    macs = nonzero_macs = 0
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            operand = _WEIGHTS.get(graph.op_name(model, op))
            if operand is None:
                continue
            for k in range(1, len(op.inputs)):
                values = None
                if op.inputs[k] >= 0:
                    tensor = subgraph.tensors[op.inputs[k]]
                    values = graph.constant(model, tensor)
                if values is None or values.dtype.kind != "f":
                    continue
                nonzero = int(np.count_nonzero(values))
                key = int(tensor.buffer) if k == operand else (id(op), k)
                held[key] = (values.size, nonzero)
                if k == operand:
                    positions = _positions(model, subgraph, op)
                    macs += positions * values.size
                    nonzero_macs += positions * nonzero
    return Size(
        sum(count for count, _ in held.values()),
        sum(nonzero for _, nonzero in held.values()),
        macs,
        nonzero_macs,
    )


def _positions(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> int:
    is_transposed = graph.op_name(model, op) == "TRANSPOSE_CONV"
    tensor = op.inputs[2] if is_transposed else op.outputs[0]
    return math.prod(graph.shape_of(subgraph.tensors[tensor])[:-1])
