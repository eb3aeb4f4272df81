"""PRELU becomes operators that can stand in a sparse cluster; XNNPACK's own PReLU cannot.

With one slope for all channels it is LEAKY_RELU. With a slope a per channel,
``prelu(x) = relu(x) + (-a) relu(-x)``.

Proof sketch. Of the two terms one is zero: where x > 0 the sum is ``x + (-a) 0``, else
``0 + (-a) (-x)``, which is a x; negating, and adding zero, are exact.

On Cortex-A72 it takes 5.3 instructions an element instead of XNNPACK's 2.3, so it pays only inside
of a cluster (``benchmarks/rewrite_alternatives.py``).
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.neighbours import is_float


def apply(model: graph.Model) -> list[RewriteNote]:
    """Replaces each PRELU on a map of the first subgraph.

    Args:
        model: Changed in place; outputs keep their names.

    Returns:
        A note per PRELU.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        if graph.op_name(model, op) != "PRELU" or not is_float(reader, op):
            continue
        layer, slopes = reader.name(int(op.outputs[0])), _slopes(reader, op)
        if slopes is None:
            detail = "its slopes are not one value a channel"
            notes.append(RewriteNote("prelu", layer, False, detail))
            continue
        subgraph.operators.remove(op)
        source, output = int(op.inputs[0]), int(op.outputs[0])
        if slopes.size == 1:
            _leaky(model, source, output, float(slopes[0]))
            detail = "one slope for all channels: became LEAKY_RELU"
        else:
            _two_sided(reader, source, output, slopes)
            detail = "became relu(x) - a relu(-x)"
        notes.append(RewriteNote("prelu", layer, True, detail))
    edit.sort(subgraph)
    edit.sweep(subgraph)
    return notes


def _slopes(reader: Reader, op: graph.Operator) -> FloatArray | None:
    """Slopes of shape ``(channels,)``, or ``(1,)`` where they are all the same."""
    values, shape = reader.values(int(op.inputs[1])), reader.shape(int(op.inputs[0]))
    if values is None or len(shape) != 4 or reader.is_static(int(op.inputs[0])):
        return None
    if (values == values.reshape(-1)[0]).all():
        return values.reshape(-1)[:1].astype(np.float32)
    if values.shape[-1] != shape[3]:
        return None
    rows = values.reshape(-1, shape[3])
    return rows[0].astype(np.float32) if (rows == rows[0]).all() else None


def _leaky(model: graph.Model, source: int, output: int, slope: float) -> None:
    op = edit.add_operator(model, model.subgraphs[0], "LEAKY_RELU", [source], output)
    op.builtinOptionsType = schema.BuiltinOptions.LeakyReluOptions
    op.builtinOptions = schema.LeakyReluOptionsT()
    op.builtinOptions.alpha = slope


def _two_sided(reader: Reader, source: int, output: int, slopes: FloatArray) -> None:
    model, subgraph = reader.model, reader.subgraph
    name, shape = reader.name(output), reader.shape(output)
    parts = ("above", "negated", "below", "scaled")
    above, negated, below, scaled = (
        edit.add_tensor(subgraph, shape, f"{name}/{part}") for part in parts
    )
    constant = edit.add_constant(model, subgraph, -slopes.reshape(1, 1, 1, -1), f"{name}/slopes")
    edit.add_operator(model, subgraph, "RELU", [source], above)
    edit.add_operator(model, subgraph, "NEG", [source], negated)
    edit.add_operator(model, subgraph, "RELU", [negated], below)
    edit.add_operator(model, subgraph, "MUL", [constant, below], scaled)
    edit.add_operator(model, subgraph, "ADD", [above, scaled], output)
