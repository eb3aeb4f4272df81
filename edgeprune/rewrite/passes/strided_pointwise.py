"""Where every second pixel is taken, a depthwise convolution does it, which can run sparse.

XNNPACK's sparse kernels take 1x1 convolutions of stride 1 only, but depthwise 3x3 ones of stride 2.
So a 1x1 convolution of stride 2 becomes one of stride 1 behind a depthwise selection. A pooling of
1x1 windows (ResNetV2's shortcuts) becomes the selection itself: the delegate takes no such pooling,
nor a strided slice, so either splits the model.

Proof sketch. Such operators read rows 0, 2, 4, ... of the map. A 3x3 window of stride 2 behind
``lead`` rows of padding starts at row 2i - lead, so a filter with a single one at row ``lead``
copies row 2i; likewise for columns. Multiplying by one and adding zeros is exact for finite values.
With SAME, ``lead`` is 1 on odd sizes and 0 on even ones, and the turn takes it along; with one row
of explicit padding on each side, ``lead`` is 1. Both give ceil(n / 2) rows, as the stride does.
On Cortex-A72 the selection of a 28x28x256 map takes 0.38 M instructions, beside 8.8 M of a dense
convolution to 512 channels with or without a stride (``benchmarks/rewrite_alternatives.py``).
Source: LiteRT ``tflite/delegates/xnnpack/xnnpack_delegate.cc``, VisitStridedSliceNode ("Only
support strides = 1") and CheckPoolingParams ("unsupported pooling with 1x1 filter").
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.linear import is_linear
from edgeprune.rewrite.neighbours import NO_ACTIVATION, activation_of, is_float
from edgeprune.rewrite.padding import same


def apply(model: graph.Model, *, explicit: bool = False) -> list[RewriteNote]:
    """Changes each 1x1 convolution and pooling of stride 2 of the first subgraph.

    For a convolution outside of a cluster this costs the selection and wins nothing.

    Args:
        model: Changed in place.
        explicit: Pad one row on each side, which a sparse cluster takes as it is; otherwise SAME,
            which on even sizes needs the turn.

    Returns:
        A note per convolution or pooling.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    selected: dict[int, int] = {}
    notes = []
    for op in list(subgraph.operators):
        is_pool = _is_strided_pool(reader, op)
        if not is_pool and not _is_strided_pointwise(reader, op):
            continue
        source, output = int(op.inputs[0]), int(op.outputs[0])
        if source not in selected:
            selected[source] = _select(reader, source, explicit=explicit)
        if is_pool:
            edit.redirect(subgraph, output, selected[source])
            subgraph.operators.remove(op)
            detail = "a depthwise selection of every second pixel instead of 1x1 windows"
        else:
            edit.set_operand(op, 0, selected[source])
            op.builtinOptions.strideH = op.builtinOptions.strideW = 1
            detail = "stride 1 behind a depthwise selection of every second pixel"
        notes.append(RewriteNote("strided_pointwise", reader.name(output), True, detail))
    edit.sort(subgraph)
    return notes


def _is_strided_pointwise(reader: Reader, op: graph.Operator) -> bool:
    if graph.op_name(reader.model, op) != "CONV_2D" or not is_linear(reader, op):
        return False
    filters = reader.shape(int(op.inputs[1]))
    return (
        filters[1:3] == (1, 1)
        and (op.builtinOptions.strideH, op.builtinOptions.strideW) == (2, 2)
        and reader.shape(int(op.inputs[0]))[3] == filters[3]
    )


def _is_strided_pool(reader: Reader, op: graph.Operator) -> bool:
    if graph.op_name(reader.model, op) not in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        return False
    options = op.builtinOptions
    return (
        is_float(reader, op)
        and (options.filterHeight, options.filterWidth) == (1, 1)
        and (options.strideH, options.strideW) == (2, 2)
        and activation_of(op) == NO_ACTIVATION
        and int(op.outputs[0]) not in {int(i) for i in reader.subgraph.outputs}
    )


def _select(reader: Reader, source: int, *, explicit: bool) -> int:
    """Adds the selection of every second row and column; returns its tensor."""
    model, subgraph = reader.model, reader.subgraph
    name, (count, height, width, channels) = reader.name(source), reader.shape(source)
    padded = source
    leads = [1 if explicit else same(size, 3, 2)[0] for size in (height, width)]
    if explicit:
        amounts = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
        pads = edit.add_constant(model, subgraph, amounts, f"{name}/every_second/paddings")
        shape = (count, height + 2, width + 2, channels)
        padded = edit.add_tensor(subgraph, shape, f"{name}/every_second/padded")
        edit.add_operator(model, subgraph, "PAD", [source, pads], padded)
    filters = np.zeros((1, 3, 3, channels), np.float32)
    filters[0, leads[0], leads[1]] = 1
    weights = edit.add_constant(model, subgraph, filters, f"{name}/every_second/weights")
    zeros = np.zeros(channels, np.float32)
    bias = edit.add_constant(model, subgraph, zeros, f"{name}/every_second/bias")
    shape = (count, -(-height // 2), -(-width // 2), channels)
    output = edit.add_tensor(subgraph, shape, f"{name}/every_second")
    edit.add_operator(
        model,
        subgraph,
        "DEPTHWISE_CONV_2D",
        [padded, weights, bias],
        output,
        padding=edit.VALID if explicit else edit.SAME,
        strideH=2,
        strideW=2,
        dilationHFactor=1,
        dilationWFactor=1,
        depthMultiplier=1,
    )
    return output
