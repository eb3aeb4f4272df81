"""Layers that give the same numbers another shape."""

from __future__ import annotations

import numpy as np

from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.base import LayerCall, last_size, rule
from edgeprune.channels.rules.convolutions import CHANNELS_FIRST, is_channels_first


@rule("Flatten")
def flatten(call: LayerCall) -> list[Ids]:
    """Every pixel's channels one after another."""
    if is_channels_first(call) and len(call.node.input_shapes[0]) > 2:
        return call.fixed_outputs(CHANNELS_FIRST)
    ids = call.inputs[0]
    size = last_size(call.output_shape)
    if not size or size % max(len(ids), 1):
        return call.fixed_outputs("has an output of unknown size")
    return [np.tile(ids, size // len(ids))]


@rule("Reshape", "ops.Reshape")
def reshape(call: LayerCall) -> list[Ids]:
    """Row-major: whole rows of channels are joined, or a row is cut in equal parts."""
    ids, size = call.inputs[0], last_size(call.output_shape)
    key = "target_shape" if hasattr(call.layer, "target_shape") else "newshape"
    if not size or not len(ids) or max(size, len(ids)) % min(size, len(ids)):
        return call.fixed_outputs("cuts across channels")
    if size >= len(ids):
        outputs = np.tile(ids, size // len(ids))
    else:
        parts = ids.reshape(-1, size)
        for part in parts[1:]:
            call.unify(parts[0], part)
        outputs = parts[0]
    call.resize(key, outputs, index=-1)
    return [outputs]


@rule("Permute")
def permute(call: LayerCall) -> list[Ids]:
    """Passes if the channels stay last."""
    if call.layer.dims[-1] != len(call.layer.dims):
        return call.fixed_outputs("moves the channels to another axis")
    return [call.inputs[0]]


@rule("ops.Transpose")
def transpose(call: LayerCall) -> list[Ids]:
    """Keras 3's operation; passes if the channels stay last."""
    axes = call.layer.axes
    if axes is None or axes[-1] % len(axes) != len(axes) - 1:
        return call.fixed_outputs("moves the channels to another axis")
    return [call.inputs[0]]


@rule("ops.Mean", "ops.Sum", "ops.Max", "ops.Min")
def reduce(call: LayerCall) -> list[Ids]:
    """Keras 3's operations; pass if they leave the channels alone."""
    return reduced(call, call.layer.axis)


def reduced(call: LayerCall, axis: object) -> list[Ids]:
    """The channels, if they are not among the axes that are reduced."""
    rank = len(call.node.input_shapes[0])
    axes = [axis] if isinstance(axis, int) else axis
    if not isinstance(axes, (list, tuple)) or any(one % rank == rank - 1 for one in axes):
        return call.fixed_outputs("reduces over channels")
    return [call.inputs[0]]


@rule("ops.GetItem")
def get_item(call: LayerCall) -> list[Ids]:
    """Keras 3's operation; passes if it leaves the last axis alone."""
    keys = call.node.args[1] if len(call.node.args) > 1 else call.node.kwargs.get("key")
    return sliced(call, keys)


def sliced(call: LayerCall, keys: object) -> list[Ids]:
    """The channels, if the slice takes all of them."""
    keys = keys if isinstance(keys, tuple) else (keys,)
    plain = all(isinstance(key, (int, slice)) for key in keys)
    if not plain or not _leaves_last(keys, len(call.node.input_shapes[0])):
        return call.fixed_outputs("cuts out some channels")
    return [call.inputs[0]]


def _leaves_last(keys: tuple[object, ...], rank: int) -> bool:
    return len(keys) < rank or keys[-1] == slice(None, None, None)
