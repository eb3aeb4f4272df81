"""The two Kerases and the TensorFlow below them: imported late, and kept quiet.

Keras 2 lives on as ``tf_keras``; ``keras`` is Keras 3. Both may be loaded in one process.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import struct
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from edgeprune.artifacts.model import Flavour
from edgeprune.console.quiet import quiet
from edgeprune.errors import ConfigError, ModelError, from_extra

_APPLICATION_LAYERS = {
    "convnext": ("LayerScale", "StochasticDepth"),
    "inception_resnet_v2": ("CustomScaleLayer",),
}
"""Layers that models of ``keras.applications`` use, and Keras does not find by their names."""


_SPARED = ("matplotlib", "sklearn")
"""What Keras imports, where it is installed, for its plots and its wrappers of estimators: a third
of the time that TensorFlow and both Kerases take to start."""

_spares: list[str] = []


def spare_plots() -> None:
    """From now on, Keras is imported without its plots and its wrappers of estimators.

    For processes that are edgeprune's own: in a user's, both may be wanted later.
    """
    _spares[:] = _SPARED


@contextlib.contextmanager
def _spared() -> Iterator[None]:
    """Hides what is spared as if it were not installed, and only in this block."""
    hidden = [name for name in _spares if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # it cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@dataclass(frozen=True)
class InputSpec:
    """One input of a Keras model.

    Attributes:
        name: The input layer's name.
        shape: With the batch dimension first; None where a size is unknown.
        dtype: As ``float32``.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


def import_tensorflow() -> Any:
    """TensorFlow, which logs nothing from now on.

    Raises:
        ConfigError: It is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN's kernels sum in an order that depends on the machine.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with quiet(), from_extra("keras"), _spared():
        import tensorflow

        tensorflow.get_logger().setLevel(logging.ERROR)
        tensorflow.autograph.set_verbosity(0)
    return tensorflow


def import_keras(flavour: Flavour) -> Any:
    """The module ``keras`` (Keras 3, on TensorFlow) or ``tf_keras`` (Keras 2).

    Raises:
        ConfigError: It is not installed, or Keras 3 already runs on another backend.
    """
    import_tensorflow()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet(), from_extra("keras"), _spared():
        if flavour == "keras":
            import keras as module
        else:
            import tf_keras as module
    if flavour == "keras" and module.backend.backend() != "tensorflow":
        raise ConfigError(
            f"Keras runs on {module.backend.backend()}: edgeprune needs KERAS_BACKEND=tensorflow"
        )
    return module


def application_layers(flavour: Flavour, only: Collection[str] | None = None) -> Any:
    """A context in which models of ``keras.applications`` are made from their descriptions.

    Args:
        flavour: The Keras that makes them.
        only: Classes that the model needs; None stands for all. Within the context, Keras takes
            any text that equals a class's name for the class.
    """
    found = {
        name: getattr(importlib.import_module(f"{flavour}.src.applications.{module}"), name)
        for module, names in _APPLICATION_LAYERS.items()
        for name in names
        if only is None or name in only
    }
    return import_keras(flavour).utils.custom_object_scope(found)


def input_specs(model: Any) -> list[InputSpec]:
    """The model's inputs, in the order in which it takes them.

    Subclassed models tell the shape that they were built with, whose batch size means nothing.

    Raises:
        ModelError: The model was never built, or takes inputs that are no plain list of tensors.
    """
    if getattr(model, "inputs", None):
        return [
            InputSpec(str(t.name).partition(":")[0], tuple(t.shape), _dtype_name(t.dtype))
            for t in model.inputs
        ]
    if getattr(model, "save_spec", None) is not None:
        specs = _flat(model.save_spec()) if model.save_spec() is not None else []
        inputs = [(tuple(spec.shape), spec.dtype.name) for spec in specs if hasattr(spec, "shape")]
    else:
        shapes = getattr(model, "_build_shapes_dict", None) or {}
        sizes = list(shapes.values())
        if len(sizes) == 1 and sizes[0] and isinstance(sizes[0][0], (list, tuple)):
            sizes = list(sizes[0])
        inputs = [(tuple(size), str(model.input_dtype)) for size in sizes]
    if not inputs:
        raise ModelError(
            f"model {model.name!r} has no known input shape: call it once on data before saving it"
        )
    return [
        InputSpec(f"input_{k}", (None, *shape[1:]), dtype)
        for k, (shape, dtype) in enumerate(inputs)
    ]


def _dtype_name(dtype: Any) -> str:
    return str(getattr(dtype, "name", dtype))


def _flat(value: Any) -> list[Any]:
    """The leaves of nested tuples, lists and dictionaries."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _flat(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]


def set_weights(model: Any, weights: list[Any]) -> None:
    """Sets all weights, and what layers derive from theirs.

    An adapted Normalization computes with copies of its mean and variance, which neither Keras
    renews: a copied model would normalize by 0 and 1.
    """
    model.set_weights(weights)
    for layer in model._flatten_layers():
        if type(layer).__name__ == "Normalization":
            layer.finalize_state()


def call(model: Any, inputs: list[Any], *, training: bool) -> Any:
    """Runs the model on its inputs, given as a list also where it has only one.

    A functional model gets them in the structure that it was made with, as a dictionary.
    """
    made_with = getattr(model, "_inputs_struct", getattr(model, "_nested_inputs", None))
    if isinstance(made_with, (dict, list, tuple)) and len(_flat(made_with)) == len(inputs):
        numbers = {id(tensor): k for k, tensor in enumerate(model.inputs)}
        return model(_filled(made_with, inputs, numbers), training=training)
    return model(inputs[0] if len(inputs) == 1 else inputs, training=training)


def _filled(made_with: Any, inputs: list[Any], numbers: dict[int, int]) -> Any:
    """Inputs in place of a functional model's own symbolic ones."""
    if isinstance(made_with, dict):
        return {key: _filled(one, inputs, numbers) for key, one in made_with.items()}
    if isinstance(made_with, (list, tuple)):
        return type(made_with)([_filled(one, inputs, numbers) for one in made_with])
    return inputs[numbers[id(made_with)]]


def flat_outputs(outputs: Any) -> list[Any]:
    """The tensors of what a model returned, in order; dictionaries in their own order."""
    return _flat(outputs)


def names_of_outputs(outputs: Any, model: Any) -> list[str]:
    """Names of what a model returned, in the order of :func:`flat_outputs`.

    Those of a dictionary are its keys: ``output_names`` of a model has its layers, in another
    order.

    Args:
        outputs: What the model returned.
        model: The model.
    """
    count = len(flat_outputs(outputs))
    if isinstance(outputs, dict) and len(outputs) == count:
        return [str(key) for key in outputs]
    names = [str(name) for name in getattr(model, "output_names", None) or ()]
    return names if len(names) == count else [f"output_{k}" for k in range(count)]


def library_errors() -> tuple[type[Exception], ...]:
    """What TensorFlow, Keras and h5py raise when a model does not suit them."""
    tf = import_tensorflow()
    from google.protobuf.message import Error as MessageError
    from tensorflow.lite.python.convert import ConverterError
    from tensorflow.python.saved_model.nested_structure_coder import NotEncodableError

    return (
        ConverterError,
        MessageError,
        NotEncodableError,
        tf.errors.OpError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        EOFError,
        ImportError,
        LookupError,
        NameError,
        OSError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
        re.error,
        struct.error,
    )
