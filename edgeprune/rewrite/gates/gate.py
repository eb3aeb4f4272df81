"""The gate: lets a sparse (NCHW) cluster begin and end at any map.

XNNPACK enters a cluster only through a 3x3 convolution of stride 2 on 3 channels and leaves it only
through a global mean or DEPTH_TO_SPACE. Both can be made to copy:

* Entry. DEPTH_TO_SPACE(2) lays a (H, W, C) map out as (2H, 2W, C/4). Of 3 of its channels, a 3x3
  convolution of stride 2 padded by 1 whose filters hold a single one each gives 12 of the C
  channels back: output (i, j) sees rows 2i - 1 to 2i + 1, so the one at filter row 1 + a and
  column 1 + b picks pixel (2i + a, 2j + b), which is channel (2a + b) C/4 + k of pixel (i, j).
  Multiplying by one and adding zeros is exact.
* Exit. DEPTH_TO_SPACE(2) followed by SPACE_TO_DEPTH(2) is the identity; so is the mean of a single
  pixel.

There is no concatenation inside a cluster, so the groups of 12 channels stay apart through
operators that treat channels alone (:mod:`channel_groups`), and meet in the next pointwise
convolution.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.edit import VALID, add_constant, add_operator, add_tensor
from edgeprune.models.tflite.layer_names import layer_name

STEM_CHANNELS = 3  # what XNNPACK's entry convolution reads
_REDUCTIONS = ("MEAN", "SUM")
GROUP_CHANNELS = 12  # what it can hand over: 2 x 2 pixels of 3 channels


def padded_channels(channels: int) -> int:
    """Channels that a map must have to be laid out: a multiple of 4, and 12 at least."""
    return max(GROUP_CHANNELS, -(-channels // 4) * 4)


def channel_groups(channels: int) -> list[Array]:
    """Channels that each entry convolution hands over; together all, each once.

    >>> [group.tolist() for group in channel_groups(4)]
    [[0, 1, 2, 3]]
    """
    quarter = padded_channels(channels) // 4
    groups = []
    for start in range(0, quarter, STEM_CHANNELS):
        taken = range(start, min(start + STEM_CHANNELS, quarter))
        group = sorted(block * quarter + k for block in range(4) for k in taken)
        if kept := [channel for channel in group if channel < channels]:
            groups.append(np.array(kept))
    return groups


def enter(model: graph.Model, tensor: int, *, is_walled: bool) -> list[tuple[int, Array]]:
    """Adds the entry convolutions for one map.

    Args:
        model: Changed in place; nothing reads the new tensors yet.
        tensor: A map of shape (1, H, W, C) in NHWC.
        is_walled: Keep what makes the map out of any cluster, which DEPTH_TO_SPACE would end.

    Returns:
        Each group's tensor of shape (1, H, W, len(channels)), and its channels.
    """
    subgraph = model.subgraphs[0]
    _, height, width, channels = graph.shape_of(subgraph.tensors[tensor])
    name = layer_name(graph.tensor_name(subgraph.tensors[tensor]))
    padded = padded_channels(channels)
    source = tensor
    if is_walled and padded == channels:
        source = add_tensor(subgraph, (1, height, width, channels), f"{name}/gate/walled")
        _reshape(model, tensor, source)
    if padded != channels:
        amounts = np.zeros((4, 2), np.int32)
        amounts[3, 1] = padded - channels
        pads = add_constant(model, subgraph, amounts, f"{name}/gate/paddings")
        source = add_tensor(subgraph, (1, height, width, padded), f"{name}/gate/channels")
        add_operator(model, subgraph, "PAD", [tensor, pads], source)
    quarter = padded // 4
    spread = add_tensor(subgraph, (1, 2 * height, 2 * width, quarter), f"{name}/gate/spread")
    add_operator(model, subgraph, "DEPTH_TO_SPACE", [source], spread, blockSize=2)
    parts = []
    for number, group in enumerate(channel_groups(channels)):
        first = min(STEM_CHANNELS * number, quarter - STEM_CHANNELS)
        piece = _slice(model, spread, first, f"{name}/gate/{number}")
        parts.append((_pick(model, piece, group, first, quarter), group))
    return parts


def _slice(model: graph.Model, spread: int, first: int, name: str) -> int:
    """Three channels of the spread map; the map itself if it has no more."""
    subgraph = model.subgraphs[0]
    shape = graph.shape_of(subgraph.tensors[spread])
    if shape[3] == STEM_CHANNELS:
        return spread
    end = (*shape[:3], first + STEM_CHANNELS)
    bounds = [np.array(b, np.int32) for b in ((0, 0, 0, first), end, (1, 1, 1, 1))]
    piece = add_tensor(subgraph, (*shape[:3], STEM_CHANNELS), f"{name}/slice")
    inputs = [spread, *(add_constant(model, subgraph, b, f"{name}/bound") for b in bounds)]
    add_operator(model, subgraph, "STRIDED_SLICE", inputs, piece)
    return piece


def _pick(model: graph.Model, piece: int, group: Array, first: int, quarter: int) -> int:
    """The entry convolution that hands over one group of channels."""
    subgraph = model.subgraphs[0]
    _, height, width, _ = graph.shape_of(subgraph.tensors[piece])
    name = graph.tensor_name(subgraph.tensors[piece])
    filters = np.zeros((len(group), 3, 3, STEM_CHANNELS), np.float32)
    for output, channel in enumerate(group):
        block, k = divmod(int(channel), quarter)
        filters[output, 1 + block // 2, 1 + block % 2, k - first] = 1
    amounts = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    pads = add_constant(model, subgraph, amounts, f"{name}/paddings")
    padded = add_tensor(subgraph, (1, height + 2, width + 2, STEM_CHANNELS), None)
    add_operator(model, subgraph, "PAD", [piece, pads], padded)
    output = add_tensor(subgraph, (1, height // 2, width // 2, len(group)), f"{name}/entry")
    inputs = [
        padded,
        add_constant(model, subgraph, filters, f"{name}/filters"),
        add_constant(model, subgraph, np.zeros(len(group), np.float32), f"{name}/bias"),
    ]
    add_operator(
        model,
        subgraph,
        "CONV_2D",
        inputs,
        output,
        padding=VALID,
        strideH=2,
        strideW=2,
        dilationHFactor=1,
        dilationWFactor=1,
    )
    return output


def can_leave(shape: tuple[int, ...]) -> bool:
    """Whether a map can be handed back to NHWC."""
    return len(shape) == 4 and (shape[3] % 4 == 0 or shape[1:3] == (1, 1))


def leave(model: graph.Model, tensor: int) -> graph.Operator:
    """Ends a cluster at one map: its producer writes NCHW, readers of ``tensor`` get NHWC.

    Args:
        model: Changed in place.
        tensor: A map of shape (1, H, W, C), C a multiple of 4 unless H and W are 1.

    Returns:
        The operator that ends the cluster; it reads the map as NCHW.
    """
    subgraph = model.subgraphs[0]
    _, height, width, channels = shape = graph.shape_of(subgraph.tensors[tensor])
    name = layer_name(graph.tensor_name(subgraph.tensors[tensor]))
    inner = add_tensor(subgraph, shape, f"{name}/nchw")
    maker = graph.producers(subgraph)[tensor]
    maker.outputs = np.array([inner], np.int32)
    if (height, width) == (1, 1):
        axes = add_constant(model, subgraph, np.array([1, 2], np.int32), f"{name}/axes")
        flat = add_tensor(subgraph, (1, channels), f"{name}/exit")
        _reshape(model, flat, tensor)
        return add_operator(model, subgraph, "MEAN", [inner, axes], flat, keepDims=False)
    spread = add_tensor(subgraph, (1, 2 * height, 2 * width, channels // 4), f"{name}/exit/spread")
    last = add_operator(model, subgraph, "DEPTH_TO_SPACE", [inner], spread, blockSize=2)
    add_operator(model, subgraph, "SPACE_TO_DEPTH", [spread], tensor, blockSize=2)
    return last


def wall(model: graph.Model, tensor: int) -> None:
    """Copies a map for its readers, so that no cluster reaches them: XNNPACK does not pass RESHAPE.

    A mean that ends a cluster drops its dimensions first, because XNNPACK gives its output a wrong
    shape where it keeps them.

    Args:
        model: Changed in place.
        tensor: Any map that an operator makes.
    """
    subgraph = model.subgraphs[0]
    maker = graph.producers(subgraph)[tensor]
    name = layer_name(graph.tensor_name(subgraph.tensors[tensor]))
    shape = graph.shape_of(subgraph.tensors[tensor])
    if graph.op_name(model, maker) in _REDUCTIONS and shape[1:3] == (1, 1):
        gone = _kept_axes(model, maker, len(shape))
        if gone:
            maker.builtinOptions.keepDims = False
            shape = tuple(size for axis, size in enumerate(shape) if axis not in gone)
    inner = add_tensor(subgraph, shape, f"{name}/before_wall")
    maker.outputs = np.array([inner], np.int32)
    _reshape(model, inner, tensor)


def _kept_axes(model: graph.Model, reduction: graph.Operator, rank: int) -> set[int]:
    """Axes that a reduction leaves as 1, each in [0, rank); none where it drops them already."""
    axes = graph.constant(model, model.subgraphs[0].tensors[reduction.inputs[1]])
    if axes is None or not reduction.builtinOptions.keepDims:
        return set()
    return {int(axis) % rank for axis in axes.reshape(-1)}


def _reshape(model: graph.Model, source: int, target: int) -> None:
    subgraph = model.subgraphs[0]
    shape = np.array(subgraph.tensors[target].shape, np.int32)
    name = graph.tensor_name(subgraph.tensors[target])
    sizes = add_constant(model, subgraph, shape, f"{name}/shape")
    add_operator(model, subgraph, "RESHAPE", [source, sizes], target, newShape=shape)
