"""Reading inner values out of a graph, in ways that change what the runtime does as little.

XNNPACK gives up a sparse cluster one of whose inner values is an output of the graph, and with the
cluster goes the fault. A MEAN that reads the value is a legal end of a cluster, so that the cluster
stays, and its own output may be an output of the graph.
Source: XNNPACK ``src/subgraph.c``, ``xnn_subgraph_rewrite_for_nchw``; found so on the emulated
Cortex-A72 with LiteRT 2.3.0.
"""

from __future__ import annotations

import numpy as np

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.edit import add_constant, add_operator, add_tensor

DIRECT, MEAN = "itself", "its mean"


def computed_values(model: graph.Model) -> list[int]:
    """First outputs of the main subgraph's operators that depend on an input, in execution order.

    Weights that are only unpacked do not.
    """
    subgraph = model.subgraphs[0]
    computed = {int(index) for index in subgraph.inputs}
    values: list[int] = []
    for op in subgraph.operators:
        if any(int(i) in computed for i in op.inputs):
            computed.update(int(out) for out in op.outputs)
            values += map(int, op.outputs[:1])
    return values


def can_be_read(model: graph.Model, value: int, way: str) -> bool:
    """Whether a value can be made an output of the graph, itself or as its mean over the map."""
    tensor = model.subgraphs[0].tensors[value]
    shape = graph.shape_of(tensor)
    if graph.dtype_of(tensor) is None:
        return False
    if way == DIRECT:
        return True
    is_float = graph.dtype_of(tensor) == np.float32
    return is_float and len(shape) == 4 and min(shape) > 0 and shape[1] * shape[2] > 1


def read_out(tflite: bytes, values: list[int], way: str = DIRECT) -> bytes:
    """The model with further outputs behind its own, one for each of ``values``.

    Args:
        tflite: The model.
        values: Tensor indices of the main subgraph.
        way: :data:`DIRECT`, or :data:`MEAN` for the mean over height and width.
    """
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    new = [_mean_of(model, value) if way == MEAN else value for value in values]
    subgraph.outputs = np.array([*subgraph.outputs, *new], np.int32)
    model.signatureDefs = None  # it would list the old outputs only
    return graph.write(model)


def _mean_of(model: graph.Model, value: int) -> int:
    subgraph = model.subgraphs[0]
    count, _, _, channels = graph.shape_of(subgraph.tensors[value])
    axes = add_constant(model, subgraph, np.array([1, 2], np.int32), "probe/axes")
    mean = add_tensor(subgraph, (count, 1, 1, channels), "probe")
    add_operator(model, subgraph, "MEAN", [value, axes], mean, keepDims=True)
    return mean
