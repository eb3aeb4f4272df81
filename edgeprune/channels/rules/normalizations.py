"""Normalizations: those channel by channel pass; those over channels hold them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.base import LayerCall, Role, rule

_BATCH_NORM: dict[str, Role] = {
    "gamma": "scale",
    "beta": "other",
    "moving_mean": "other",
    "moving_variance": "other",
}


@rule("BatchNormalization", "SyncBatchNormalization")
def batch_normalization(call: LayerCall) -> list[Ids]:
    """Four numbers a channel."""
    axis = call.layer.axis
    axes = list(axis) if isinstance(axis, Iterable) else [axis]
    rank = len(call.output_shape)
    if [one % rank for one in axes] != [rank - 1]:
        return call.fixed_outputs(f"normalizes along axis {axes}: expected the last")
    for weight, role in _BATCH_NORM.items():
        call.bind(weight, 0, call.inputs[0], role)
    return [call.inputs[0]]


@rule("LayerNormalization", "RMSNormalization", "UnitNormalization", "GroupNormalization")
def over_channels(call: LayerCall) -> list[Ids]:
    """Means over channels change when one goes."""
    return call.fixed_outputs("normalizes over channels")


@rule("Normalization")
def normalization(call: LayerCall) -> list[Ids]:
    """Statistics of the data, which the model's inputs have anyway: they keep all channels."""
    return call.fixed_outputs("normalizes by statistics of its own")


@rule("LayerScale")
def layer_scale(call: LayerCall) -> list[Ids]:
    """A factor for each channel, in ConvNeXt."""
    call.bind("gamma", 0, call.inputs[0], "scale")
    call.resize("projection_dim", call.inputs[0])
    return [call.inputs[0]]


@rule("Rescaling")
def rescaling(call: LayerCall) -> list[Ids]:
    """One factor and one offset for all channels pass."""
    if np.size(call.layer.scale) > 1 or np.size(call.layer.offset) > 1:
        return call.fixed_outputs("has a factor for each channel in its configuration")
    return [call.inputs[0]]
