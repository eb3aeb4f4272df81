"""Global average pooling becomes MEAN, which can end a sparse cluster; AVERAGE_POOL_2D cannot.

Proof sketch. A pooling with a single window that covers the whole map divides the sum of all
pixels by their number: TFLite's SAME pads with nothing that it counts. That is MEAN over height
and width, keeping dimensions. The sums have the same terms; their order may differ, and with it
the last bits.
Source: LiteRT ``tflite/kernels/internal/reference/pooling.h``, AveragePool (``filter_count``).
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.neighbours import activation_of, is_float


def apply(model: graph.Model) -> list[RewriteNote]:
    """Replaces each float AVERAGE_POOL_2D over a whole map of the first subgraph.

    Args:
        model: Changed in place.

    Returns:
        A note per average pooling, those that stay included.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        if graph.op_name(model, op) != "AVERAGE_POOL_2D" or not is_float(reader, op):
            continue
        layer = reader.name(int(op.outputs[0]))
        window = (op.builtinOptions.filterHeight, op.builtinOptions.filterWidth)
        if _is_global(reader, op):
            _replace(reader, op)
            notes.append(RewriteNote("average_pool", layer, True, "global pooling became MEAN"))
        else:
            detail = f"averages windows of {window[0]}x{window[1]}, not the whole map"
            notes.append(RewriteNote("average_pool", layer, False, detail))
    edit.sort(subgraph)
    return notes


def _is_global(reader: Reader, op: graph.Operator) -> bool:
    """Whether the one window covers the map, and its activation is also an operator's.

    VALID windows never reach beyond the map.
    """
    _, height, width, _ = reader.shape(int(op.inputs[0]))
    options = op.builtinOptions
    return (
        activation_of(op) in edit.ACTIVATIONS
        and reader.shape(int(op.outputs[0]))[1:3] == (1, 1)
        and options.filterHeight >= height
        and options.filterWidth >= width
    )


def _replace(reader: Reader, op: graph.Operator) -> None:
    model, subgraph = reader.model, reader.subgraph
    output = mean = int(op.outputs[0])
    name = reader.name(output)
    activation = edit.ACTIVATIONS[activation_of(op)]
    subgraph.operators.remove(op)
    if activation is not None:
        mean = edit.add_tensor(subgraph, reader.shape(output), f"{name}/mean")
        edit.add_operator(model, subgraph, activation, [mean], output)
    axes = edit.add_constant(model, subgraph, np.array([1, 2], np.int32), f"{name}/axes")
    edit.add_operator(model, subgraph, "MEAN", [int(op.inputs[0]), axes], mean, keepDims=True)
