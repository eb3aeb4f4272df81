"""Stage ``convert``: a Keras model as a float TFLite file for one input at a time."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.model import Loaded
from edgeprune.console.quiet import quiet
from edgeprune.convert.signatures import with_main_signature
from edgeprune.convert.static_shapes import with_static_shapes
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import (
    InputSpec,
    call,
    flat_outputs,
    import_tensorflow,
    input_specs,
    library_errors,
    names_of_outputs,
)
from edgeprune.models.keras.tf_function import to_tflite
from edgeprune.text.untrusted import reason_of


def convert(model: Loaded) -> bytes:
    """The model as TFLite with batch dimension 1.

    A ``.tflite`` file passes through; only a batch dimension that it leaves open becomes 1, with
    what follows from that.
    Inputs and outputs of the file's signature are in the order of the Keras model's own.

    Raises:
        ModelError: An input's shape is not fixed, or TFLite lacks an operator.
    """
    if model.tflite is not None:
        return with_main_signature(with_static_shapes(model.tflite, model.input_shape))
    tf = import_tensorflow()
    specs = []
    for spec, name in zip(input_specs(model.keras), _input_names(model.keras), strict=True):
        specs.append(tf.TensorSpec(_fixed_shape(spec, model.input_shape), spec.dtype, name=name))

    names: list[str] = []

    def infer(*inputs: Any) -> Any:
        outputs = call(model.keras, list(inputs), training=False)
        names[:] = [_plain(name) for name in names_of_outputs(outputs, model.keras)]
        return outputs

    return to_tflite(infer, specs, names)  # which reads the names once it has traced


def keras_outputs(model: Loaded, inputs: list[list[Array]]) -> list[list[Array]]:
    """What the Keras model itself answers.

    Args:
        model: Holds a Keras model.
        inputs: One entry a sample, of one array per input of shape ``(1, ...)``.

    Returns:
        One entry a sample, of one array per output.

    Raises:
        ModelError: There is no Keras model, or it cannot be called on these inputs.
    """
    if model.keras is None:
        raise ModelError(f"{model.source.path}: not a Keras model")
    tf = import_tensorflow()
    run = tf.function(lambda *x: flat_outputs(call(model.keras, list(x), training=False)))
    try:
        with quiet():
            return [
                [np.asarray(out.numpy()) for out in run(*map(tf.constant, sample))]
                for sample in inputs
            ]
    except library_errors() as error:
        raise ModelError(f"the Keras model cannot be run: {reason_of(error)}") from error


def _fixed_shape(spec: InputSpec, wanted: tuple[int, ...] | None) -> list[int]:
    """The input's shape with batch 1, and open dimensions as wanted.

    Raises:
        ModelError: A dimension stays unknown, or the wanted shape does not fit.
    """
    sizes = spec.shape[1:]
    if wanted is None:
        if all(size is not None for size in sizes):
            return [1, *(size for size in sizes if size is not None)]
        raise ModelError(
            f"input {spec.name!r} has the open shape ({_shown(sizes)}): give --input-shape, as "
            "224,224,3, or save the model with a fixed one"
        )
    pairs = list(zip(sizes, wanted, strict=False))
    if len(sizes) != len(wanted) or any(size not in (None, ours) for size, ours in pairs):
        raise ModelError(
            f"input {spec.name!r} has the shape ({_shown(sizes)}), which --input-shape "
            f"{','.join(map(str, wanted))} does not fit"
        )
    return [1, *wanted]


def _shown(sizes: tuple[int | None, ...]) -> str:
    return ", ".join("?" if size is None else str(size) for size in sizes)


def _input_names(model: Any) -> list[str]:
    """Names that TensorFlow accepts, each once."""
    names: list[str] = []
    for spec in input_specs(model):
        name = _plain(spec.name)
        names.append(name if name not in names else f"{name}_{len(names)}")
    return names


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_./]", "_", name).lstrip("_/") or "tensor"
