"""Makes a model again from its configuration, smaller, and carries its weights over."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeprune.channels.graph_view import flavour_of, is_model
from edgeprune.channels.identities import Ids
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras, library_errors
from edgeprune.text.untrusted import reason_of

Edits = Mapping[str, Mapping[tuple[str, int | None], int]]
"""Layer path to entries of its configuration, each a key and a place in a list, and new values."""

_INPUT_SHAPES = ("batch_shape", "batch_input_shape")


def rebuild(model: Any, edits: Edits, kept: Mapping[int, Sequence[tuple[int, Ids]]]) -> Any:
    """A new model of the same class, names, dtypes and trainable flags; not compiled.

    Args:
        model: Is not changed.
        edits: What is different in its configuration.
        kept: By ``id`` of a weight: axes, and the positions along them that stay.

    Raises:
        ModelError: The configuration does not give the model back.
    """
    try:
        with quiet():
            rebuilt = _from_config(model, edits)
    except library_errors() as error:
        raise ModelError(
            f"model {model.name!r} cannot be built again from its configuration "
            f"({reason_of(error)}): give its own layers a get_config() and register them"
        ) from error
    _copy_flags(model, rebuilt)
    _copy_weights(model, rebuilt, kept)
    for layer in _layers(rebuilt):
        if type(layer).__name__ == "Normalization":  # keeps numbers that it derives from weights
            layer.finalize_state()
    return rebuilt


def _from_config(model: Any, edits: Edits) -> Any:
    keras = import_keras(flavour_of(model))
    config = copy.deepcopy(model.get_config())
    _edit(config, "", edits)
    kind: Any = type(model)
    # Keras 2 does not find layers of its own applications, as ConvNeXt's LayerScale.
    own = {
        type(layer).__name__: type(layer)
        for layer in _layers(model)
        if not hasattr(keras.layers, type(layer).__name__) and not is_model(layer)
    }
    unsafe = keras.src.saving.serialization_lib.SafeModeScope(safe_mode=False)
    with unsafe, keras.utils.custom_object_scope(own):  # the layers are in memory already
        return kind.from_config(config)


def _edit(config: dict[str, Any], prefix: str, edits: Edits) -> None:
    """Changes the configuration of a model, and of those within it, in place."""
    for entry in config["layers"]:
        inner = entry["config"]
        path = prefix + str(inner.get("name", entry.get("name")))
        # Holds sizes from before; every layer is built when it is called.
        entry.pop("build_config", None)
        if "layers" in inner:
            _edit(inner, f"{path}/", edits)
            _follow_input(inner)
        for (key, index), size in edits.get(path, {}).items():
            _set(inner, key, index, size)


def _set(config: dict[str, Any], key: str, index: int | None, size: int) -> None:
    if key in _INPUT_SHAPES:  # Keras 3's name of it and Keras 2's
        key = next(name for name in _INPUT_SHAPES if name in config)
    if index is None:
        config[key] = size
        return
    sizes = list(config[key])
    sizes[index] = size
    config[key] = tuple(sizes)


def _follow_input(config: dict[str, Any]) -> None:
    """A nested Sequential tells its input's shape more than once."""
    first = config["layers"][0]["config"]
    shape = next((first[key] for key in _INPUT_SHAPES if first.get(key)), None)
    if shape is not None and config.get("build_input_shape"):
        config["build_input_shape"] = shape
    if shape is not None:
        for entry in config["layers"][1:]:
            entry["config"].pop("batch_input_shape", None)


def _copy_flags(model: Any, rebuilt: Any) -> None:
    """Outer layers first: setting a model's flag sets those of all layers in it."""
    for old, new in zip(_layers(model), _layers(rebuilt), strict=True):
        if new.trainable != old.trainable:
            new.trainable = old.trainable


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=True, recursive=True))


def _copy_weights(model: Any, rebuilt: Any, kept: Mapping[int, Sequence[tuple[int, Ids]]]) -> None:
    for old, new in zip(model.weights, rebuilt.weights, strict=True):
        values = np.asarray(old.numpy())
        for axis, positions in kept.get(id(old), ()):
            values = np.take(values, positions, axis=axis)
        if tuple(new.shape) != values.shape:
            raise ModelError(
                f"weight {getattr(old, 'path', old.name)!r} should have the shape {values.shape} "
                f"after pruning, and the rebuilt model has {tuple(new.shape)}: its layer's "
                "configuration names a size that no rule knows; ignore the layer"
            )
        new.assign(values)
