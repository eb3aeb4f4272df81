"""Dense layers behind a global mean: inside the sparse cluster, where that is predicted to pay.

Proof sketch. The mean over height and width of a 1x1 map is the map, exactly: one term, divided by
one. So a mean can keep its dimensions in front of a dense layer that became a 1x1 convolution, and
another mean behind that makes a vector of its map. For the two forms of the layer see
:mod:`dense_layers`.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction import cost
from edgeprune.prediction.cost import Costs
from edgeprune.prediction.cost.microkernels import spmm
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.prediction.xnnpack.spmm import analyse
from edgeprune.rewrite.neighbours import sole_reader
from edgeprune.rewrite.passes.dense_layers import as_convolution, is_plain_dense
from edgeprune.rewrite.passes.dense_to_pointwise import is_flat_mean


def join_where_cheaper(model: graph.Model, costs: Costs) -> list[RewriteNote]:
    """Turns dense heads into 1x1 convolutions where those run faster sparse than dense.

    Args:
        model: Changed in place.
        costs: Of the core.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        if graph.op_name(model, op) != "FULLY_CONNECTED":
            continue
        weights = reader.values(int(op.inputs[1]))
        if weights is None or weights.dtype != np.float32:
            continue
        plan = analyse(weights)
        sparse = costs.of(spmm(1, plan))
        end = cost.mean_of_pixel(costs, weights.shape[0])
        if sparse + end < cost.op_cost(costs, reader, op):
            note = join_dense(model, op)
            if note.done:
                notes.append(note)
    return notes


def join_dense(model: graph.Model, dense: graph.Operator) -> RewriteNote:
    """Ends the cluster behind a dense layer that reads a global mean: it becomes a convolution."""
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    output = int(dense.outputs[0])
    layer, vector = reader.name(output), int(dense.inputs[0])
    mean = reader.producers.get(vector)
    if (
        mean is None
        or not is_flat_mean(reader, mean)
        or sole_reader(reader, vector) is not dense
        or not is_plain_dense(reader, dense)
    ):
        return RewriteNote("head", layer, False, "is no dense layer behind a global mean")
    as_convolution(reader, dense)
    if reader.shape(int(mean.inputs[0]))[1:3] == (1, 1):
        edit.set_operand(dense, 0, int(mean.inputs[0]))
        subgraph.operators.remove(mean)
    else:
        mean.builtinOptions.keepDims = True
        _make_map(reader, vector)
    _end_with_mean(reader, dense)
    edit.sort(subgraph)
    return RewriteNote("head", layer, True, "joins the cluster as a 1x1 convolution")


def _end_with_mean(reader: Reader, conv: graph.Operator) -> None:
    """Puts a mean behind a layer on a 1x1 map; readers and graph outputs get the vector."""
    subgraph, output = reader.subgraph, int(conv.outputs[0])
    name, (count, channels) = reader.name(output), reader.shape(output)
    if output in subgraph.outputs:
        pixel = edit.add_tensor(subgraph, (count, 1, 1, channels), f"{name}/map")
        conv.outputs = np.array([pixel], np.int32)
        _add_mean(reader, pixel, output)
        return
    vector = edit.add_tensor(subgraph, (count, channels), f"{name}/vector")
    edit.redirect(subgraph, output, vector)
    _make_map(reader, output)
    _add_mean(reader, output, vector)


def _add_mean(reader: Reader, source: int, output: int) -> None:
    name = f"{reader.name(output)}/axes"
    axes = edit.add_constant(reader.model, reader.subgraph, np.array([1, 2], np.int32), name)
    edit.add_operator(reader.model, reader.subgraph, "MEAN", [source, axes], output, keepDims=False)


def _make_map(reader: Reader, tensor: int) -> None:
    """Gives a vector the shape of a 1x1 map."""
    count, channels = reader.shape(tensor)
    reader.subgraph.tensors[tensor].shape = np.array([count, 1, 1, channels], np.int32)
