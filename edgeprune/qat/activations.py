"""Trains with activations as 8-bit integers would store them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from edgeprune.models.keras.flavours import import_tensorflow
from edgeprune.models.keras.flow import Flow
from edgeprune.models.keras.weights import walk

_MOMENTUM = 0.99
"""How much of a range is kept at each step. Source: ours, as Keras' batch normalization."""

_SHAPES_ONLY = ("InputLayer", "Dropout", "Flatten", "Reshape", "Permute", "ZeroPadding2D")
"""Layers that hand on the numbers that they get."""


class QuantizedActivations:
    """Rounds what layers hand on, while it is held.

    A range is the moving average of what a layer gave; values outside are cut off and take no
    gradient. Layers whose output the converter fuses into the next one are left out: in front of
    batch normalization, and in front of a rectifier. So are outputs of the model, which a loss
    reads, and models of which nobody knows what follows what: subclassed ones.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.1.

    Args:
        model: Either Keras.

    Attributes:
        layers: Whose outputs are rounded.
        ranges: What each of them gave so far, lowest and highest: variables.
    """

    def __init__(self, model: Any) -> None:
        tf = import_tensorflow()
        flow = Flow(model)
        self.layers = [layer for _, layer in walk(model) if _is_stored(layer, flow)]
        self.ranges = [tf.Variable([0.0, 0.0], trainable=False) for _ in self.layers]

    def __enter__(self) -> QuantizedActivations:
        """Puts a rounding behind each layer's own computation."""
        for layer, limits in zip(self.layers, self.ranges, strict=True):
            # Past the layer's own bookkeeping, which would take this for one of its parts.
            vars(layer)["call"] = _rounding(layer.call, limits)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes it away again."""
        for layer in self.layers:
            vars(layer).pop("call", None)


def _rounding(call: Callable[..., Any], limits: Any) -> Callable[..., Any]:
    tf = import_tensorflow()

    @functools.wraps(call)
    def rounded(*args: Any, **rest: Any) -> Any:
        value = call(*args, **rest)
        wide = tf.cast(value, tf.float32)
        seen = tf.stop_gradient(tf.stack([tf.reduce_min(wide), tf.reduce_max(wide)]))
        is_new = tf.reduce_all(limits == 0)
        moved = tf.where(is_new, seen, _MOMENTUM * limits + (1 - _MOMENTUM) * seen)
        limits.assign(moved)
        low, high = tf.minimum(moved[0], 0.0), tf.maximum(moved[1], 1e-6)
        return tf.cast(tf.quantization.fake_quant_with_min_max_vars(wide, low, high), value.dtype)

    made: Callable[..., Any] = tf.autograph.experimental.do_not_convert(rounded)
    return made


def _is_stored(layer: Any, flow: Flow) -> bool:
    """Whether the converted file holds this layer's output as a tensor of its own."""
    readers = flow.readers(layer)
    if not readers or hasattr(layer, "layers") or type(layer).__name__ in _SHAPES_ONLY:
        return False
    return not (len(readers) == 1 and _is_fused(readers[0]))


def _is_fused(reader: Any) -> bool:
    """Whether a layer becomes part of the one in front of it."""
    kind = type(reader).__name__
    name = getattr(getattr(reader, "activation", None), "__name__", "")
    return kind in ("BatchNormalization", "ReLU") or (
        kind == "Activation" and name in ("relu", "relu6", "linear")
    )
