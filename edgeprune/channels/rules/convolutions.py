"""Convolutions: they read the channels of their input and make new ones."""

from __future__ import annotations

import math

import numpy as np

from edgeprune.channels.graph_view import Shape
from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.activations import after_activation
from edgeprune.channels.rules.base import LayerCall, last_size, rule

CHANNELS_FIRST = "has its channels first: rebuild it with data_format='channels_last'"


def positions(shape: Shape) -> int | None:
    """Number of pixels of ``(batch, ..., channels)``; None if a size is open."""
    sizes = [size for size in shape[1:-1] if size is not None]
    return math.prod(sizes) if len(sizes) == len(shape) - 2 else None


def is_channels_first(call: LayerCall) -> bool:
    """Whether the layer's channels are not the last axis."""
    return getattr(call.layer, "data_format", None) == "channels_first"


@rule("Conv1D", "Conv2D", "Conv3D")
def convolution(call: LayerCall) -> list[Ids]:
    """Kernel ``(..., in_channels / groups, filters)``."""
    ids, layer = call.inputs[0], call.layer
    call.work("kernel", positions(call.output_shape))
    if is_channels_first(call):
        return call.fixed_outputs(CHANNELS_FIRST)
    outputs = call.new(layer.filters)
    if layer.groups == 1:
        call.bind("kernel", -2, ids, "input")
    else:
        _join_groups(call, ids, outputs)
    call.bind("kernel", -1, outputs, "output")
    call.bind("bias", 0, outputs, "other")
    call.resize("filters", outputs)
    return after_activation(call, outputs)


def _join_groups(call: LayerCall, ids: Ids, outputs: Ids) -> None:
    """A group of a grouped convolution goes as a whole: its inputs with its outputs."""
    groups = call.layer.groups
    leaders = outputs.reshape(groups, -1)[:, :1]
    for channels in (ids.reshape(groups, -1), outputs.reshape(groups, -1)):
        call.unify(np.broadcast_to(leaders, channels.shape).ravel(), channels.ravel())
    call.resize("groups", leaders.ravel())


@rule("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed_convolution(call: LayerCall) -> list[Ids]:
    """Kernel ``(..., filters, in_channels)``."""
    call.work("kernel", positions(call.node.input_shapes[0]))
    if is_channels_first(call):
        return call.fixed_outputs(CHANNELS_FIRST)
    outputs = call.new(call.layer.filters)
    call.bind("kernel", -1, call.inputs[0], "input")
    call.bind("kernel", -2, outputs, "output")
    call.bind("bias", 0, outputs, "other")
    call.resize("filters", outputs)
    return after_activation(call, outputs)


@rule("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise_convolution(call: LayerCall) -> list[Ids]:
    """Kernel ``(..., in_channels, multiplier)``; output ``c * multiplier + m`` comes of input c."""
    kernel = "kernel" if hasattr(call.layer, "kernel") else "depthwise_kernel"
    call.work(kernel, positions(call.output_shape))
    if is_channels_first(call):
        return call.fixed_outputs(CHANNELS_FIRST)
    outputs = np.repeat(call.inputs[0], call.layer.depth_multiplier)
    call.bind(kernel, -2, call.inputs[0], "depthwise")
    call.bind("bias", 0, outputs, "other")
    return after_activation(call, outputs)


@rule("SeparableConv1D", "SeparableConv2D")
def separable_convolution(call: LayerCall) -> list[Ids]:
    """A depthwise kernel, then a pointwise one ``(1, ..., in_channels * multiplier, filters)``."""
    for kernel in ("depthwise_kernel", "pointwise_kernel"):
        call.work(kernel, positions(call.output_shape))
    if is_channels_first(call):
        return call.fixed_outputs(CHANNELS_FIRST)
    outputs = call.new(call.layer.filters)
    call.bind("depthwise_kernel", -2, call.inputs[0], "depthwise")
    call.bind(
        "pointwise_kernel", -2, np.repeat(call.inputs[0], call.layer.depth_multiplier), "input"
    )
    call.bind("pointwise_kernel", -1, outputs, "output")
    call.bind("bias", 0, outputs, "other")
    call.resize("filters", outputs)
    return after_activation(call, outputs)


@rule("Dense")
def dense(call: LayerCall) -> list[Ids]:
    """Kernel ``(in_channels, units)``."""
    call.work("kernel", positions(call.output_shape))
    if last_size(call.node.input_shapes[0]) != int(call.layer.kernel.shape[0]):
        return call.fixed_outputs("has a kernel of another form")
    outputs = call.new(call.layer.units)
    call.bind("kernel", 0, call.inputs[0], "input")
    call.bind("kernel", 1, outputs, "output")
    call.bind("bias", 0, outputs, "other")
    call.resize("units", outputs)
    return after_activation(call, outputs)


@rule("Embedding")
def embedding(call: LayerCall) -> list[Ids]:
    """Embeddings ``(input_dim, output_dim)``; reads indices, which are no channels."""
    call.fix(call.inputs, "reads indices")
    outputs = call.new(call.layer.output_dim)
    call.bind("embeddings", 1, outputs, "output")
    call.resize("output_dim", outputs)
    return [outputs]
