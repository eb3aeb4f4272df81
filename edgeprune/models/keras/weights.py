"""Finds the weights to prune in a Keras model, and copies models.

Layers are walked, never wrapped: masks stay outside, so subclassed and nested models of either
Keras are treated like any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.artifacts.model import Loaded
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import (
    application_layers,
    call,
    import_keras,
    import_tensorflow,
    input_specs,
    library_errors,
    set_weights,
)
from edgeprune.text.untrusted import reason_of

_CONVOLUTIONS = {
    *(f"Conv{n}D" for n in (1, 2, 3)),
    *(f"Conv{n}DTranspose" for n in (1, 2, 3)),
}
_DENSE = {"Dense", "EinsumDense"}
_SEPARABLE = {"SeparableConv1D", "SeparableConv2D"}


@dataclass(frozen=True)
class Weight:
    """One weight tensor of a Keras model.

    Attributes:
        name: Layer path and weight name, as ``block1/conv/kernel``.
        variable: The Keras variable.
        pattern: Name of the pattern that prunes it.
        out_axis: Axis of its output channels: the last one, or -2 of a transposed convolution.
    """

    name: str
    variable: Any
    pattern: str = "unstructured"
    out_axis: int = -1

    @property
    def in_channels(self) -> int:
        """Input channels, without a convolution's taps."""
        shape = tuple(self.variable.shape)
        return int(shape[-3 - self.out_axis]) if len(shape) > 1 else 1

    def value(self) -> FloatArray:
        """The weights as they are now."""
        return np.asarray(self.variable.numpy())

    def matrix(self) -> FloatArray:
        """The weights as they are now, ``(out_channels, in_features)``."""
        return self.as_matrix(self.value())

    def as_matrix(self, tensor: Array) -> Array:
        """A tensor of the weight's shape as ``(out_channels, in_features)``."""
        moved = np.moveaxis(tensor, self.out_axis, 0)
        return moved.reshape(len(moved), -1)

    def as_tensor(self, matrix: Array) -> Array:
        """The reverse of :meth:`as_matrix`."""
        shape = list(self.variable.shape)
        moved = matrix.reshape([shape.pop(self.out_axis), *shape])
        return np.ascontiguousarray(np.moveaxis(moved, 0, self.out_axis))


def prunable_weights(model: Any, layers: str) -> list[Weight]:
    """The tensors that may be pruned, in model order; a shared layer's once.

    Args:
        model: A Keras model of either Keras.
        layers: ``accelerated``: kernels of dense layers and of convolutions of size 1 and stride 1
            or 2, which XNNPACK has sparse kernels for; ``all``: of every convolution that is not
            depthwise. Of a separable convolution it is the pointwise kernel in both cases.
    """
    found: dict[int, Weight] = {}
    names: set[str] = set()
    for path, layer in walk(model):
        attribute = _kernel_of(layer, layers)
        variable = getattr(layer, attribute, None) if attribute else None
        if variable is None or id(variable) in found:
            continue
        name = f"{path}/{attribute}"
        while name in names:  # two layers of one name in a subclassed model
            name += "_"
        names.add(name)
        is_transposed = any("Transpose" in kind.__name__ for kind in type(layer).__mro__)
        found[id(variable)] = Weight(name, variable, out_axis=-2 if is_transposed else -1)
    return list(found.values())


def fixed_batch(model: Any) -> int | None:
    """The batch size that the model insists on, or None."""
    inputs = getattr(model, "inputs", None)
    size = inputs[0].shape[0] if inputs else None
    return None if size is None else int(size)


def check_one_input(model: Any) -> None:
    """Checks that samples are one array.

    Raises:
        ModelError: The model has several inputs.
    """
    inputs = getattr(model, "inputs", None) or [None]
    if len(inputs) > 1:
        raise ModelError(
            f"calibration needs a model with one input, this one has {len(inputs)}: use the "
            "criterion magnitude, without data"
        )


def owners(model: Any, weights: Sequence[Weight]) -> list[Any]:
    """The layer that each weight is the kernel of.

    Raises:
        ModelError: One belongs to no layer of the model.
    """
    kernels = ("kernel", "pointwise_kernel")
    layer_of = {
        id(getattr(layer, name)): layer
        for _, layer in walk(model)
        for name in kernels
        if getattr(layer, name, None) is not None
    }
    if lost := [weight.name for weight in weights if id(weight.variable) not in layer_of]:
        raise ModelError(f"{lost[0]} belongs to no layer of the model {model.name!r}")
    return [layer_of[id(weight.variable)] for weight in weights]


def biases(model: Any) -> list[Weight]:
    """The biases of all layers that have some, in model order; a shared layer's once."""
    found: dict[int, Weight] = {}
    for path, layer in walk(model):
        variable = getattr(layer, "bias", None)
        if hasattr(variable, "assign"):
            found.setdefault(id(variable), Weight(f"{path}/bias", variable))
    return list(found.values())


def walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Every layer below ``model`` with its path, each once, in model order."""
    return _below(model, "", set())


def _below(layer: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    for child in layer._flatten_layers(recursive=False, include_self=False):
        if id(child) not in seen:
            seen.add(id(child))
            inner = f"{path}/{child.name}" if path else str(child.name)
            yield inner, child
            yield from _below(child, inner, seen)


def _kernel_of(layer: Any, layers: str) -> str:
    """Name of the attribute that holds the layer's prunable kernel, or nothing."""
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    if kinds & _SEPARABLE:
        return "pointwise_kernel"
    if any("Depthwise" in kind for kind in kinds):
        return ""
    if layers == "all":
        return "kernel" if kinds & (_CONVOLUTIONS | _DENSE) else ""
    if "Dense" in kinds:
        return "kernel"
    is_pointwise = (
        kinds & {"Conv1D", "Conv2D"}
        and not any("Transpose" in kind for kind in kinds)
        and set(layer.kernel_size) == {1}
        and set(layer.strides) in ({1}, {2})
        and layer.groups == 1
    )
    return "kernel" if is_pointwise else ""


def clone(loaded: Loaded) -> Any:
    """A copy of the Keras model with the same layer names and weights.

    Sequential and functional models are made again from their configuration. So are subclassed
    ones whose ``get_config`` gives what their constructor takes. The rest, if it is of Keras 2,
    goes through a SavedModel in a temporary folder.

    Raises:
        ModelError: The model cannot be copied.
    """
    model = loaded.keras
    reasons = []
    for copy in (_from_config, _through_saved_model):
        try:
            with quiet():
                copied = copy(loaded)
                set_weights(copied, model.get_weights())
            return copied
        except library_errors() as error:
            reasons.append(reason_of(error))
    raise ModelError(
        f"model {model.name!r} of class {type(model).__name__} cannot be copied "
        f"({reasons[0]}): give it a get_config() that returns its constructor's arguments"
    )


def _from_config(loaded: Loaded) -> Any:
    model = loaded.keras
    kind: Any = type(model)
    keras = import_keras(loaded.flavour or "keras")
    # The layers are in memory already: nothing comes from a file here.
    unsafe = keras.src.saving.serialization_lib.SafeModeScope(safe_mode=False)
    with unsafe, application_layers(loaded.flavour or "keras"):
        copied = kind.from_config(model.get_config())
        if not getattr(model, "inputs", None):
            copied._name = model.name
            call(copied, model_zeros(model), training=False)  # makes the weights
    if [tuple(w.shape) for w in copied.weights] != [tuple(w.shape) for w in model.weights]:
        raise ValueError("its configuration gives other weights")
    copied.trainable = model.trainable
    return copied


def model_zeros(model: Any) -> list[Any]:
    """One sample of zeros for each input of a built model."""
    tf = import_tensorflow()
    return [
        tf.zeros([1, *(size or 1 for size in spec.shape[1:])], spec.dtype)
        for spec in input_specs(model)
    ]


def _through_saved_model(loaded: Loaded) -> Any:
    if loaded.flavour != "tf_keras":
        raise TypeError("Keras 3 has no other way to copy a model")
    keras = import_keras("tf_keras")
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        loaded.keras.save(folder, save_format="tf", include_optimizer=False)
        return keras.models.load_model(folder, compile=False)


def tensorflow_variable(variable: Any) -> Any:
    """The TensorFlow variable, which a tape watches; Keras 3 wraps it, Keras 2 does not."""
    value = getattr(variable, "value", None)
    return variable if value is None or callable(value) else value
