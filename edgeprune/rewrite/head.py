"""Layers behind the global mean: inside the sparse cluster, or outside of it.

A classifier that is a 1x1 convolution on a 1x1 map lies in the cluster's way: the RESHAPE behind it
cannot end a cluster. Either it joins, and its weights count among the cluster's zeros, or it is
split off as a dense layer. A classifier that is a dense layer can join too. Which is better depends
on its zeros and its cost, so these are offered, and the placement decides.

Proof sketch. The mean over height and width of a 1x1 map is the map, exactly: one term, divided by
one. So a RESHAPE (N, 1, 1, C) to (N, C) and such a MEAN are the same function, and a MEAN can be
put in front of a dense layer. For dense layers and 1x1 convolutions see :mod:`dense_layers`.
"""

from __future__ import annotations

import numpy as np

from edgeprune import graph, graph_edit
from edgeprune.artifacts import RewriteNote
from edgeprune.explain.reader import Reader
from edgeprune.rewrite.dense_layers import as_convolution, as_fully_connected, is_plain_dense
from edgeprune.rewrite.dense_to_pointwise import ELEMENTWISE, is_flat_mean
from edgeprune.rewrite.linear import is_linear
from edgeprune.rewrite.neighbours import CLAMPS, activation_of, sole_reader


def head_convolutions(model: graph.Model) -> list[graph.Operator]:
    """1x1 convolutions on 1x1 maps that a RESHAPE to a vector follows, in execution order."""
    reader = Reader(model, model.subgraphs[0])
    return [op for op in model.subgraphs[0].operators if head_of(reader, op)]


def head_of(reader: Reader, conv: graph.Operator) -> list[graph.Operator]:
    """Operators from a 1x1 convolution on a 1x1 map to the RESHAPE that makes it a vector.

    Returns:
        The convolution first and the RESHAPE last; empty where ``conv`` is no such head.
    """
    if not _is_pixel_convolution(reader, conv):
        return []
    found = [conv]
    while True:
        op = sole_reader(reader, int(found[-1].outputs[0]))
        if op is None:
            return []
        before, after = reader.shape(int(found[-1].outputs[0])), reader.shape(int(op.outputs[0]))
        name = graph.op_name(reader.model, op)
        found.append(op)
        if name == "RESHAPE":
            return found if after == (before[0], before[3]) else []
        is_alone = sum(not reader.is_static(int(i)) for i in op.inputs if i >= 0) == 1
        if not _is_pixel_convolution(reader, op) and not (name in ELEMENTWISE and is_alone):
            return []


def join_head(model: graph.Model, conv: graph.Operator) -> RewriteNote:
    """Ends the cluster behind the head: its RESHAPE becomes a MEAN."""
    reader = Reader(model, model.subgraphs[0])
    layer, ops = reader.name(int(conv.outputs[0])), head_of(reader, conv)
    if not ops:
        return RewriteNote("head", layer, False, "is no 1x1 convolution in front of a RESHAPE")
    source, output = int(ops[-1].inputs[0]), int(ops[-1].outputs[0])
    model.subgraphs[0].operators.remove(ops[-1])
    _add_mean(reader, source, output)
    graph_edit.sort(model.subgraphs[0])
    return RewriteNote("head", layer, True, "joins the cluster: its RESHAPE became MEAN")


def split_head(model: graph.Model, conv: graph.Operator) -> RewriteNote:
    """Ends the cluster in front of the head: its 1x1 convolutions become dense layers."""
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    layer, ops = reader.name(int(conv.outputs[0])), head_of(reader, conv)
    if not ops:
        return RewriteNote("head", layer, False, "is no 1x1 convolution in front of a RESHAPE")
    _to_vector(reader, conv)
    for op in ops[:-1]:
        if graph.op_name(model, op) == "CONV_2D":
            as_fully_connected(reader, op)
        _set_shape(reader, int(op.outputs[0]), flat=True)
    last, output = ops[-2], int(ops[-1].outputs[0])
    subgraph.operators.remove(ops[-1])
    if output in subgraph.outputs:
        last.outputs = np.array([output], np.int32)
    else:
        graph_edit.redirect(subgraph, output, int(last.outputs[0]))
    graph_edit.sort(subgraph)
    return RewriteNote("head", layer, True, "stays outside the cluster as a dense layer")


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
        graph_edit.set_operand(dense, 0, int(mean.inputs[0]))
        subgraph.operators.remove(mean)
    else:
        mean.builtinOptions.keepDims = True
        _set_shape(reader, vector, flat=False)
    _end_with_mean(reader, dense)
    graph_edit.sort(subgraph)
    return RewriteNote("head", layer, True, "joins the cluster as a 1x1 convolution")


def _is_pixel_convolution(reader: Reader, op: graph.Operator) -> bool:
    return (
        graph.is_pointwise(reader.model, reader.subgraph, op)
        and is_linear(reader, op)
        and activation_of(op) in CLAMPS
        and reader.shape(int(op.inputs[0]))[1:3] == (1, 1)
    )


def _to_vector(reader: Reader, conv: graph.Operator) -> None:
    """Lets a layer read its 1x1 map as a vector, for which a mean in front is enough."""
    pixel = int(conv.inputs[0])
    mean = reader.producers.get(pixel)
    if (
        mean is not None
        and graph.op_name(reader.model, mean) == "MEAN"
        and sole_reader(reader, pixel) is conv
    ):
        mean.builtinOptions.keepDims = False
        _set_shape(reader, pixel, flat=True)
        return
    count, _, _, channels = reader.shape(pixel)
    name = f"{reader.name(pixel)}/vector"
    vector = graph_edit.add_tensor(reader.subgraph, (count, channels), name)
    _add_mean(reader, pixel, vector)
    graph_edit.set_operand(conv, 0, vector)


def _end_with_mean(reader: Reader, conv: graph.Operator) -> None:
    """Puts a mean behind a layer on a 1x1 map; readers and graph outputs get the vector."""
    subgraph, output = reader.subgraph, int(conv.outputs[0])
    name, (count, channels) = reader.name(output), reader.shape(output)
    if output in subgraph.outputs:
        pixel = graph_edit.add_tensor(subgraph, (count, 1, 1, channels), f"{name}/map")
        conv.outputs = np.array([pixel], np.int32)
        _add_mean(reader, pixel, output)
        return
    vector = graph_edit.add_tensor(subgraph, (count, channels), f"{name}/vector")
    graph_edit.redirect(subgraph, output, vector)
    _set_shape(reader, output, flat=False)
    _add_mean(reader, output, vector)


def _add_mean(reader: Reader, source: int, output: int) -> None:
    name = f"{reader.name(output)}/axes"
    axes = graph_edit.add_constant(reader.model, reader.subgraph, np.array([1, 2], np.int32), name)
    graph_edit.add_operator(
        reader.model, reader.subgraph, "MEAN", [source, axes], output, keepDims=False
    )


def _set_shape(reader: Reader, tensor: int, *, flat: bool) -> None:
    shape = reader.shape(tensor)
    count, channels = shape[0], shape[-1]
    new = (count, channels) if flat else (count, 1, 1, channels)
    reader.subgraph.tensors[tensor].shape = np.array(new, np.int32)
