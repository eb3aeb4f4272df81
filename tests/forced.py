"""Sparse files written without asking whether the runtime computes them right."""

from __future__ import annotations

import nets
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.edit import add_operator, add_tensor, redirect, sort


def encoded(tflite):
    """``tflite`` with each float filter that is mostly zero behind a DENSIFY."""
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    for op in list(subgraph.operators):
        operand = graph.FILTER_OPERANDS.get(graph.op_name(model, op))
        if operand is None:
            continue
        index = int(op.inputs[operand])
        tensor = subgraph.tensors[index]
        values = graph.constant(model, tensor)
        if values is None or np.count_nonzero(values) > values.size / 2:
            continue
        dense = add_tensor(subgraph, values.shape, graph.tensor_name(tensor) + "/dense")
        redirect(subgraph, index, dense)
        tensor.sparsity, kept = _rows(values)
        tensor.buffer = graph.add_buffer(model, kept.tobytes())
        add_operator(model, subgraph, "DENSIFY", [index], dense)
    sort(subgraph)
    return graph.write(model)


def _rows(values):
    """The parameters of compressed rows, and what is kept."""
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = np.arange(values.ndim, dtype=np.int32)
    sparsity.dimMetadata = []
    for size in values.shape:
        level = schema.DimensionMetadataT()
        level.denseSize = size
        sparsity.dimMetadata.append(level)
    last = sparsity.dimMetadata[-1]
    last.format = schema.DimensionType.SPARSE_CSR
    rows = values.reshape(-1, values.shape[-1])
    segments = np.concatenate([[0], np.cumsum(np.count_nonzero(rows, axis=1))])
    last.arraySegmentsType = last.arrayIndicesType = schema.SparseIndexVector.Int32Vector
    last.arraySegments, last.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
    last.arraySegments.values = segments.astype(np.int32)
    last.arrayIndices.values = np.nonzero(rows)[1].astype(np.int32)
    return sparsity, rows[rows != 0]


def _same_stride_2(net, x):
    return net.depthwise(x, stride=2)


def _pool(net, x):
    return net.max_pool(x)


def _conv_3x3(net, x):
    return net.conv(x, 64, kernel=3)


def _depthwise_7x7(net, x):
    return net.depthwise(x, kernel=7)


def _strided_1x1(net, x):
    return net.conv(x, 64, stride=2)


def _plus_scalar(net, x):
    return net.op("ADD", [x, net.const(np.float32(0.5))], net.shape(x), "AddOptions")


def _times_channels(net, x):
    factors = net.const(np.full(64, 1.5, np.float32))
    return net.op("MUL", [x, factors], net.shape(x), "MulOptions")


SPOILERS = (
    _same_stride_2,
    _pool,
    _conv_3x3,
    _depthwise_7x7,
    _strided_1x1,
    _plus_scalar,
    _times_channels,
)
"""Operators that a cluster cannot hold: behind one, XNNPACK gets the layer before it wrong."""


def spoilt(spoiler, before=0, outputs=1):
    """A residual net with a spoiler in it.

    Args:
        spoiler: One of :data:`SPOILERS`.
        before: Separable blocks in the cluster before the spoiler.
        outputs: 2 for a right output, from another branch, before the wrong one.

    Returns:
        The file, its weights stored sparse, and the name of the layer that comes out wrong on Arm.
    """
    net = nets.Net()
    image = net.input(1, 32, 32, 3)
    x = net.conv(net.pad(image), 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 64, sparsity=0.9)
    for _ in range(before):
        x = net.conv(net.depthwise(x), 64, sparsity=0.9)
    wrong = x
    x = net.conv(spoiler(net, x), 64, sparsity=0.9)
    for _ in range(3):
        x = net.add(x, net.conv(net.depthwise(x), 64, sparsity=0.9))
    ends = [net.mean(x)]
    if outputs == 2:
        ends.insert(0, net.mean(net.conv(image, 8, kernel=3)))
    return encoded(net.build(*ends)), f"t{wrong}"
