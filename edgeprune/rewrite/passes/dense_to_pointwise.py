"""Squeeze-and-excite blocks written with dense layers become 1x1 convolutions on 1x1 maps.

Their vector goes through dense layers and is then reshaped to (N, 1, 1, C), to multiply a map.
A reshape has no place in a sparse cluster, nor has a dense layer that flattens its input.

Proof sketch. The vector (N, C) is the 1x1 map (N, 1, 1, C) with the same bytes. MEAN can keep the
dimensions, element-wise operators do not care, and a dense layer is a 1x1 convolution there
(:mod:`dense_layers`); so the final reshape is the identity and goes.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.neighbours import is_float
from edgeprune.rewrite.passes.dense_layers import as_convolution, is_plain_dense

_ELEMENTWISE = frozenset(
    "ABS ADD DIV ELU EXP GELU HARD_SWISH LEAKY_RELU LOGISTIC MUL NEG RELU RELU6 RELU_N1_TO_1 "
    "SQUARE SUB TANH".split()
)
"""Operators that work element by element, whatever the shape."""

_RESHAPES = ("RESHAPE", "EXPAND_DIMS")


def apply(model: graph.Model) -> list[RewriteNote]:
    """Keeps the dimensions of each mean of the first subgraph whose vector becomes a map again.

    Args:
        model: Changed in place; tensors keep their names, but for those of removed reshapes.

    Returns:
        A note per mean that was changed.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for mean in list(subgraph.operators):
        if not is_flat_mean(reader, mean):
            continue
        ops = _vector_ops(reader, int(mean.outputs[0]))
        reshapes = [op for op in ops if graph.op_name(model, op) in _RESHAPES]
        if reshapes:
            _convert(reader, mean, ops)
            dense = sum(graph.op_name(model, op) == "CONV_2D" for op in ops)
            detail = f"keeps its dimensions; {dense} dense layers became 1x1 convolutions"
            layer = reader.name(int(mean.outputs[0]))
            notes.append(RewriteNote("dense_to_pointwise", layer, True, detail))
            reader = Reader(model, subgraph)
    return notes


def is_flat_mean(reader: Reader, op: graph.Operator) -> bool:
    """Whether ``op`` is a float MEAN of maps that gives vectors (N, C)."""
    if graph.op_name(reader.model, op) != "MEAN" or not is_float(reader, op):
        return False
    axes = reader.values(int(op.inputs[1]))
    rank = len(reader.shape(int(op.inputs[0])))
    return (
        axes is not None
        and rank == 4
        and {int(axis) % 4 for axis in axes.reshape(-1)} == {1, 2}
        and not op.builtinOptions.keepDims
    )


def _vector_ops(reader: Reader, vector: int) -> list[graph.Operator]:
    """Operators between a mean and the reshapes behind it; empty if others are concerned too."""
    vectors, found = {vector}, []
    for op in reader.subgraph.operators:
        inputs = [int(i) for i in op.inputs if i >= 0 and not reader.is_static(int(i))]
        if not vectors & set(inputs):
            continue
        if not vectors >= set(inputs) or not _can_change(reader, op):
            return []
        found.append(op)
        if graph.op_name(reader.model, op) not in _RESHAPES:
            vectors.add(int(op.outputs[0]))
    return [] if vectors & {int(i) for i in reader.subgraph.outputs} else found


def _can_change(reader: Reader, op: graph.Operator) -> bool:
    name = graph.op_name(reader.model, op)
    before, after = reader.shape(int(op.inputs[0])), reader.shape(int(op.outputs[0]))
    if name in _RESHAPES:
        return after == (before[0], 1, 1, before[1]) and int(op.outputs[0]) not in (
            int(i) for i in reader.subgraph.outputs
        )
    if name == "FULLY_CONNECTED":
        return is_plain_dense(reader, op) and len(after) == 2
    constants = [reader.shape(int(i)) for i in op.inputs if reader.is_static(int(i))]
    is_per_channel = all(max(shape[:-1], default=1) == 1 for shape in constants)
    return name in _ELEMENTWISE and is_per_channel and len(after) == 2


def _convert(reader: Reader, mean: graph.Operator, ops: list[graph.Operator]) -> None:
    subgraph = reader.subgraph
    mean.builtinOptions.keepDims = True
    for op in [mean, *ops]:
        output = int(op.outputs[0])
        if graph.op_name(reader.model, op) in _RESHAPES:
            subgraph.operators.remove(op)
            edit.redirect(subgraph, output, int(op.inputs[0]))
            continue
        if graph.op_name(reader.model, op) == "FULLY_CONNECTED":
            as_convolution(reader, op)
        count, channels = reader.shape(output)
        subgraph.tensors[output].shape = np.array([count, 1, 1, channels], np.int32)
