"""Folds batch normalization into the layer in front of it, in the Keras model.

The converter does the same to the file: it scales each output channel. Weights that share values
would then share them within a channel only, so it is done here before they are clustered.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.artifacts.model import Loaded
from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras, library_errors, set_weights
from edgeprune.models.keras.flow import Flow
from edgeprune.models.keras.weights import walk

_LAYERS = ("Dense", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D", "SeparableConv2D")
"""Layers that take a folded scale."""

_KERNELS = ("pointwise_kernel", "depthwise_kernel", "kernel")
"""The weight that takes it is the first of these that a layer has; Keras 3 calls a depthwise
convolution's ``kernel``."""

Folds = dict[str, str]
"""Path of a layer to the path of the batch normalization behind it."""


def fold_batch_norm(loaded: Loaded) -> tuple[Loaded, int]:
    """A copy of a Keras model without the batch normalizations that can be folded.

    A layer takes the one behind it where nothing else reads its output and its own activation is
    linear; the rest stays. In its place stands a linear activation of the same name.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.2,
    equation 14: ``w * gamma / sqrt(variance + epsilon)``.

    Args:
        loaded: A Keras model. Of a subclassed one nothing is known of what follows what.

    Returns:
        The model, and how many were folded; ``loaded`` itself where there are none.
    """
    folds = dict(_folds(loaded.keras))
    if not folds:
        return loaded, 0
    config = copy.deepcopy(loaded.keras.get_config())
    _rewrite(config, "", folds, set(folds.values()))
    keras = import_keras(loaded.flavour or "keras")
    unsafe = keras.src.saving.serialization_lib.SafeModeScope(safe_mode=False)  # it is in memory
    try:
        with quiet(), unsafe:
            folded = type(loaded.keras).from_config(config)
            _move_weights(loaded.keras, folded, folds)
    except library_errors():  # a class of the user's own: the converter folds it later
        return loaded, 0
    return dataclasses.replace(loaded, keras=folded), len(folds)


def _folds(model: Any) -> list[tuple[str, str]]:
    flow = Flow(model)
    paths = {id(layer): path for path, layer in walk(model)}
    pairs = []
    for path, layer in walk(model):
        norm = flow.sole_reader(layer)
        if type(layer).__name__ not in _LAYERS or type(norm).__name__ != "BatchNormalization":
            continue
        is_linear = getattr(layer.activation, "__name__", "") == "linear"
        is_last = getattr(layer, "data_format", "channels_last") == "channels_last"
        axis = norm.axis if isinstance(norm.axis, int) else norm.axis[0]
        if is_linear and is_last and axis in (-1, len(layer.output.shape) - 1):
            pairs.append((path, paths[id(norm)]))
    return pairs


def _rewrite(config: dict[str, Any], path: str, folds: Folds, norms: set[str]) -> None:
    """Changes a model's configuration, and those of models inside it."""
    for entry in config.get("layers", []):
        inner = entry["config"]
        name = f"{path}/{inner['name']}" if path else str(inner["name"])
        if "layers" in inner:
            _rewrite(inner, name, folds, norms)
        elif name in folds:
            inner["use_bias"] = True
        elif name in norms:
            dtype = {"dtype": inner["dtype"]} if "dtype" in inner else {}
            entry["config"] = {"name": inner["name"], "activation": "linear", **dtype}
            entry["class_name"] = "Activation"
            entry.pop("build_config", None)
            _drop_arguments(entry.get("inbound_nodes", []))


def _drop_arguments(nodes: list[Any]) -> None:
    """An activation takes neither ``training`` nor ``mask``."""
    for node in nodes:
        if isinstance(node, dict):  # Keras 3
            node["kwargs"] = {}
        else:  # Keras 2: lists of [layer, node, tensor, arguments]
            for source in [node] if node and isinstance(node[0], str) else node:
                source[-1] = {}


def _move_weights(model: Any, folded: Any, folds: Folds) -> None:
    originals, copies = dict(walk(model)), dict(walk(folded))
    for path, layer in originals.items():
        if path in folds:
            _fold(layer, originals[folds[path]], copies[path])
        elif path not in folds.values() and not hasattr(layer, "layers"):
            set_weights(copies[path], layer.get_weights())
    folded.trainable = model.trainable


def _fold(layer: Any, norm: Any, target: Any) -> None:
    scale, shift = _scale_and_shift(norm)
    for role in (*_KERNELS, "bias"):
        if getattr(layer, role, None) is not None:
            getattr(target, role).assign(getattr(layer, role).numpy())
    kernel = next(role for role in _KERNELS if hasattr(layer, role))
    values = getattr(layer, kernel).numpy()
    is_depthwise = type(layer).__name__ == "DepthwiseConv2D"  # (height, width, in, multiplier)
    factors = scale.reshape(values.shape[2:]) if is_depthwise else scale
    getattr(target, kernel).assign(values * factors)
    bias = layer.bias.numpy() if layer.use_bias else np.zeros_like(scale)
    target.bias.assign(bias * scale + shift)


def _scale_and_shift(norm: Any) -> tuple[FloatArray, FloatArray]:
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * norm.gamma.numpy()
    shift = -mean * scale
    return scale, shift + norm.beta.numpy() if norm.center else shift
