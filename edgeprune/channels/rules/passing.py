"""Layers that work within each channel and have no weights for it."""

from __future__ import annotations

from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.base import LayerCall, rule
from edgeprune.channels.rules.convolutions import CHANNELS_FIRST, is_channels_first

_SPATIAL = [
    f"{kind}{n}D"
    for n in (1, 2, 3)
    for kind in (
        *("MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling"),
        *("ZeroPadding", "Cropping", "UpSampling", "SpatialDropout"),
    )
]


@rule(*_SPATIAL, "Resizing", "CenterCrop")
def spatial(call: LayerCall) -> list[Ids]:
    """Pooling, padding and the like along the axes between batch and channels."""
    if is_channels_first(call):
        return call.fixed_outputs(CHANNELS_FIRST)
    return [call.inputs[0]]


@rule("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization")
@rule("Identity", "StochasticDepth", "RepeatVector")
def unchanged(call: LayerCall) -> list[Ids]:
    """The same at inference, or repeated along another axis."""
    return [call.inputs[0]]
