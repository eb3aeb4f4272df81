"""Checks what Keras 2 wrote about its layers into a SavedModel, and takes out what cannot be made.

A class of the user's own cannot be made from its description, and must not be: it is revived from
the graph. So it gets a name here that resolves to nothing, and loses its description.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edgeprune.errors import ModelError
from edgeprune.load.keras_description import CUSTOM, STRUCTURES, check_description
from edgeprune.load.keras_graph import check_layer_graph
from edgeprune.load.keras_json import read_description
from edgeprune.load.keras_names import keras_names
from edgeprune.load.keras_size import check_sizes

_METRIC = "_tf_keras_metric"
_IDENTIFIERS = (
    _METRIC,
    "_tf_keras_input_layer",
    "_tf_keras_layer",
    "_tf_keras_model",
    "_tf_keras_network",
    "_tf_keras_rnn_layer",
    "_tf_keras_sequential",
)
_UNUSED = ("training_config", "model_config")


def checked_metadata(text: str, identifier: str, stored: int, where: str) -> str:
    """The description of one Keras object, ready for the loader of Keras 2.

    Args:
        text: As ``keras_metadata.pb`` holds it.
        identifier: What the object is, as ``_tf_keras_layer``.
        stored: Bytes of the variables beside it; none of its weights takes less than one.
        where: The folder, for messages.

    Raises:
        CodeRefused: It holds or names code.
        ModelError: It is damaged, or asks for what the folder does not hold.
    """
    if identifier not in _IDENTIFIERS:
        raise ModelError(f"{where}: an object is of the kind {identifier[:60]!r}, none of Keras 2")
    tree = read_description(text, where)
    if not isinstance(tree, dict) or not isinstance(tree.get("class_name"), str):
        raise ModelError(f"{where}: the description of an object names no class")
    tree = {key: value for key, value in tree.items() if key not in _UNUSED}
    if identifier == _METRIC:
        # Only compiling needs metrics; without a class and a description none is made.
        return json.dumps({**_renamed(tree), "name": tree.get("name")})
    is_network = tree.get("is_graph_network") is True
    if is_network and tree["class_name"] not in keras_names().classes:
        kind = "Sequential" if identifier == "_tf_keras_sequential" else "Functional"
        tree["class_name"] = kind
    tree = _without_own_classes(tree)
    check_description(tree, where)
    check_layer_graph(tree, where)
    check_sizes(tree, stored, where)
    return json.dumps(tree)


def _without_own_classes(tree: Any) -> Any:
    """The tree, with a name that resolves to nothing for each class that is not Keras'."""
    if isinstance(tree, list):
        return [_without_own_classes(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if _is_own(tree):
        return _renamed(tree)
    return {key: _without_own_classes(value) for key, value in tree.items()}


def _is_own(node: Mapping[str, Any]) -> bool:
    """Whether it is a layer of a class that Keras does not have, written without a module."""
    names, name = keras_names(), node.get("class_name")
    known = (*names.classes, *names.refused, *STRUCTURES, "function")
    return isinstance(name, str) and node.get("module") is None and name not in known


def _renamed(node: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in node.items() if key not in ("config", "registered_name")}
    config = node.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    kept["class_name"] = CUSTOM + str(node["class_name"]).rpartition(">")[2]
    if "inbound_nodes" in node:
        return {**kept, "config": {"name": name}}
    return {**kept, "config": None}
