"""Trains with weights as 8-bit integers would store them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeprune.models.keras.flavours import import_tensorflow
from edgeprune.models.keras.weights import walk

_LARGEST = 127
"""Steps on either side of zero. Source: TensorFlow Lite 8-bit quantization specification."""


@dataclass(frozen=True)
class _Kernel:
    variable: Any
    axes: tuple[int, ...]  # all but those of the output channels


class QuantizedWeights:
    """A hook of the training step: forward and backward pass see rounded weights.

    In front of the forward pass every kernel is replaced by what int8 storage makes of it:
    symmetric, with one scale per output channel. Behind the gradients it is put back, so that small
    steps add up; the gradient goes straight through the rounding. No layer is wrapped, so it works
    for any model. Batch normalization that the converter folds later scales whole channels, which
    one scale per channel absorbs: the rounding is the same.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3; Bengio et
    al. 2013, "Estimating or Propagating Gradients", section 4, for the gradient.

    Args:
        model: Either Keras.
    """

    def __init__(self, model: Any) -> None:
        kernels = {id(k.variable): k for _, layer in walk(model) for k in _kernels(layer)}
        self._kernels = list(kernels.values())

    def before(self) -> Callable[[], None]:
        """Rounds the weights; what it returns puts them back."""
        tf = import_tensorflow()
        kept = []
        for kernel in self._kernels:
            value = tf.identity(tf.convert_to_tensor(kernel.variable))
            kept.append((kernel.variable, value))
            kernel.variable.assign(rounded(value, kernel.axes))

        def after() -> None:
            for variable, value in kept:
                variable.assign(value)

        return after

    def gradient(self, gradient: Any, variable: Any) -> Any:
        """Itself: the rounding counts as having slope 1."""
        return gradient


def rounded(value: Any, axes: tuple[int, ...]) -> Any:
    """Weights rounded to ``scale * integer`` with integers in [-127, 127].

    Args:
        value: A tensor.
        axes: Those that share a scale.
    """
    tf = import_tensorflow()
    scale = tf.reduce_max(tf.abs(value), axes, keepdims=True) / _LARGEST
    scale = tf.where(scale > 0, scale, tf.ones_like(scale))
    return tf.round(value / scale) * scale


def _kernels(layer: Any) -> list[_Kernel]:
    """A layer's kernels; separable convolutions have two."""
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    names = ["kernel"] if any("Conv" in k or k == "Dense" for k in kinds) else []
    kernels = []
    for name in (*names, "depthwise_kernel", "pointwise_kernel"):
        variable = getattr(layer, name, None)
        if variable is not None and len(variable.shape) > 1:
            rank = len(variable.shape)
            is_depthwise = name == "depthwise_kernel" or "DepthwiseConv2D" in kinds
            is_transposed = any("Transpose" in kind for kind in kinds)
            channels = (
                {rank - 2, rank - 1} if is_depthwise else {rank - (2 if is_transposed else 1)}
            )
            kernels.append(_Kernel(variable, tuple(k for k in range(rank) if k not in channels)))
    return kernels
