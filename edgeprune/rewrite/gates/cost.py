"""What a gate costs, predicted before it is built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edgeprune.models.tflite import graph
from edgeprune.prediction import cost
from edgeprune.prediction.cost import Costs
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.gates.channel_groups import batches, carries, is_summed_late
from edgeprune.rewrite.gates.gate import STEM_CHANNELS, channel_groups, padded_channels


def exit_cost(costs: Costs, shape: tuple[int, ...]) -> float:
    """Cost of handing a map of shape (1, H, W, C) back to NHWC."""
    _, height, width, channels = shape
    elements = height * width * channels
    if (height, width) == (1, 1):
        return cost.mean_of_pixel(costs, channels) + cost.reshape(costs)
    spread = cost.depth_to_space(costs, elements, nchw=True)
    return spread + cost.space_to_depth(costs, elements)


def entry_cost(costs: Costs, reader: Reader, tensor: int) -> float:
    """Cost of letting a map of shape (1, H, W, C) into a cluster and putting it together again.

    The groups are added up where that takes fewest additions: in the next pointwise convolution,
    or before it if that has more outputs than inputs.
    """
    _, height, width, channels = reader.shape(tensor)
    groups = [len(group) for group in channel_groups(channels)]
    elements = height * width * padded_channels(channels)
    total = cost.depth_to_space(costs, elements, nchw=False)
    for group, count in Counter(groups).items():
        total += count * cost.entry_convolution(costs, height, width, group)
    if len(groups) > 1:
        pixels = 4 * height * width
        total += len(groups) * cost.strided_slice(costs, pixels * STEM_CHANNELS, STEM_CHANNELS)
        total += _joining(costs, reader, tensor, groups)
    return total


def _joining(costs: Costs, reader: Reader, tensor: int, groups: list[int]) -> float:
    """Cost of the pointwise convolutions and additions that join groups of these sizes."""
    pixels, inputs, outputs = _joint(reader, tensor)
    if is_summed_late(len(groups), inputs, outputs):
        return _sum(costs, pixels, outputs, groups)
    total = 0.0
    while len(groups) > 1:
        steps = Counter(tuple(step) for step in batches(groups))
        for step, count in steps.items():
            total += count * _sum(costs, pixels, sum(step), step) if len(step) > 1 else 0.0
        groups = [sum(step) for step in steps.elements()]
    return total


def _sum(costs: Costs, pixels: int, outputs: int, groups: Sequence[int]) -> float:
    """Cost of a convolution with one weight per input channel and group, added up."""
    convolutions = sum(
        count * cost.spmm(costs, pixels, outputs, inputs, 1, inputs)
        for inputs, count in Counter(groups).items()
    )
    return convolutions + (len(groups) - 1) * cost.add(costs, pixels * outputs)


def _joint(reader: Reader, tensor: int) -> tuple[int, int, int]:
    """Pixels, input and output channels where the groups of a map meet."""
    while True:
        _, height, width, channels = reader.shape(tensor)
        following = [op for op, _ in reader.consumers[tensor]]
        if len(following) != 1:
            return height * width, channels, channels
        (op,) = following
        if graph.is_pointwise(reader.model, reader.subgraph, op):
            return height * width, channels, reader.shape(int(op.outputs[0]))[3]
        if not carries(reader, op, {tensor}):
            return height * width, channels, channels
        tensor = int(op.outputs[0])
