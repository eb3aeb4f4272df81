"""A 3x3 convolution of stride 2 on another number of channels than 3 learns to begin a cluster.

XNNPACK's one entry convolution reads exactly 3 channels.

* 1 or 2 channels: a 1x1 convolution copies them and adds channels of zeros, whose weights are
  zero. A PAD of channels would do the same for 103 instructions a pixel on Cortex-A72, where the
  convolution takes 33 on 1 channel and 39 on 2.
* 4 to 12 channels: slices of 3 channels each have a convolution of their own, and these are added.
  A slice takes 38 instructions a pixel, a 1x1 convolution that selects the channels 35 to 50.

Counted by ``benchmarks/rewrite_alternatives.py``.

Proof sketch. A convolution is a sum over its input channels, so it is the sum of convolutions of
slices, and channels of zero weights add nothing for finite values. The last slice may overlap the
one before; its weights for channels that were counted are zero. The activation comes after the
sum. Sums have the same terms in another order, so the last bits may differ.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.nodes import Layout, node_of
from edgeprune.prediction.xnnpack.padding import explicit_pads
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.linear import bias_of, filters_of, is_linear
from edgeprune.rewrite.neighbours import CLAMPS, activation_of

_ENTRY = 3  # channels that the entry convolution reads
_MOST = 12


def apply(model: graph.Model) -> list[RewriteNote]:
    """Changes each convolution of the first subgraph that can begin a cluster then.

    Its padding must be 1,1,1,1 already, so the turn comes first, and what reads it must be able to
    stand in a cluster.

    Args:
        model: Changed in place.

    Returns:
        A note per convolution.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        if not _is_stem(reader, op):
            continue
        layer, channels = reader.name(int(op.outputs[0])), reader.shape(int(op.inputs[1]))[3]
        if channels < _ENTRY:
            _widen(reader, op)
            detail = f"{channels} channels got zeros beside them, to be 3"
        else:
            _split(reader, op)
            detail = f"{channels} channels are convolved 3 at a time"
        notes.append(RewriteNote("stem_channels", layer, True, detail))
        reader = Reader(model, subgraph)
    edit.sort(subgraph)
    edit.sweep(subgraph)
    return notes


def _is_stem(reader: Reader, op: graph.Operator) -> bool:
    if graph.op_name(reader.model, op) != "CONV_2D" or not is_linear(reader, op):
        return False
    _, height, width, channels = reader.shape(int(op.inputs[1]))
    options = op.builtinOptions
    steps = (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor)
    readers = reader.consumers[int(op.outputs[0])]
    return (
        (height, width) == (3, 3)
        and steps == (2, 2, 1, 1)
        and channels != _ENTRY
        and channels <= _MOST
        and reader.shape(int(op.inputs[0]))[3] == channels
        and activation_of(op) in CLAMPS
        and explicit_pads(reader, op, (3, 3)) == (1, 1, 1, 1)
        and bool(readers)
        and all(node_of(reader, other).layout & Layout.NCHW for other, _ in readers)
    )


def _widen(reader: Reader, op: graph.Operator) -> None:
    """Lets the stem read 3 channels, of which the last ones are zeros."""
    model, subgraph = reader.model, reader.subgraph
    filters, name = filters_of(reader, op), reader.name(int(op.outputs[0]))
    pad = reader.producers[int(op.inputs[0])]
    count, height, width, channels = reader.shape(int(pad.inputs[0]))
    copies = np.eye(_ENTRY, channels, dtype=np.float32).reshape(_ENTRY, 1, 1, channels)
    wide = edit.add_tensor(subgraph, (count, height, width, _ENTRY), f"{name}/wide")
    zeros = np.zeros(_ENTRY, np.float32)
    _convolution(reader, int(pad.inputs[0]), copies, zeros, wide)
    edit.set_operand(pad, 0, wide)
    shape = (*reader.shape(int(pad.outputs[0]))[:3], _ENTRY)
    subgraph.tensors[int(pad.outputs[0])].shape = np.array(shape, np.int32)
    padded = np.pad(filters, ((0, 0), (0, 0), (0, 0), (0, _ENTRY - channels)))
    weights = edit.add_constant(model, subgraph, padded, f"{name}/wide/weights")
    edit.set_operand(op, 1, weights)


def _split(reader: Reader, op: graph.Operator) -> None:
    """Replaces the stem by convolutions of 3 channels each and their sum."""
    subgraph, output = reader.subgraph, int(op.outputs[0])
    name, filters, bias = reader.name(output), filters_of(reader, op), bias_of(reader, op)
    pad = reader.producers[int(op.inputs[0])]
    channels = filters.shape[3]
    subgraph.operators.remove(op)
    parts = []
    for first in range(0, channels, _ENTRY):
        start = min(first, channels - _ENTRY)
        part = filters[..., start : start + _ENTRY].copy()
        part[..., : first - start] = 0
        label = f"{name}/channels_{start}"
        parts.append(edit.add_tensor(subgraph, reader.shape(output), label))
        source = _padded_slice(reader, pad, start, label)
        part_bias = bias if first == 0 else np.zeros_like(bias)
        _convolution(reader, source, part, part_bias, parts[-1])
    _sum(reader, parts, output, activation_of(op))


def _sum(reader: Reader, parts: list[int], output: int, activation: int) -> None:
    """Adds maps up into ``output``, the activation last."""
    model, subgraph = reader.model, reader.subgraph
    total = parts[0]
    for number, part in enumerate(parts[1:-1], start=1):
        name, shape = f"{reader.name(output)}/sum_{number}", reader.shape(output)
        joined = edit.add_tensor(subgraph, shape, name)
        edit.add_operator(model, subgraph, "ADD", [total, part], joined)
        total = joined
    inputs = [total, parts[-1]]
    edit.add_operator(model, subgraph, "ADD", inputs, output, fusedActivationFunction=activation)


def _padded_slice(reader: Reader, pad: graph.Operator, start: int, label: str) -> int:
    """Adds the slice of 3 channels from ``start`` on, and a PAD; returns the PAD's tensor."""
    model, subgraph = reader.model, reader.subgraph
    source = int(pad.inputs[0])
    size = np.array([*reader.shape(source)[:3], _ENTRY], np.int32)
    begin = np.array([0, 0, 0, start], np.int32)
    inputs = [
        source,
        edit.add_constant(model, subgraph, begin, f"{label}/begin"),
        edit.add_constant(model, subgraph, size, f"{label}/size"),
    ]
    taken = edit.add_tensor(subgraph, tuple(size.tolist()), f"{label}/slice")
    edit.add_operator(model, subgraph, "SLICE", inputs, taken)
    shape = (*reader.shape(int(pad.outputs[0]))[:3], _ENTRY)
    padded = edit.add_tensor(subgraph, shape, f"{label}/padded")
    edit.add_operator(model, subgraph, "PAD", [taken, int(pad.inputs[1])], padded)
    return padded


def _convolution(
    reader: Reader, source: int, filters: Array, bias: FloatArray, output: int
) -> None:
    """Adds a VALID convolution, 3x3 of stride 2 or 1x1 of stride 1."""
    model, subgraph, name = reader.model, reader.subgraph, reader.name(output)
    stride = 2 if filters.shape[1] == 3 else 1
    edit.add_operator(
        model,
        subgraph,
        "CONV_2D",
        [
            source,
            edit.add_constant(model, subgraph, filters, f"{name}/weights"),
            edit.add_constant(model, subgraph, bias, f"{name}/bias"),
        ],
        output,
        padding=edit.VALID,
        strideH=stride,
        strideW=stride,
        dilationHFactor=1,
        dilationWFactor=1,
    )
