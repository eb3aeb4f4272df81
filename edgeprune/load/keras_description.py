"""Lets a Keras description pass only if everything that it names is on the list.

A description is JSON, and a loader makes an object of every dictionary in it that has a
``class_name``, and a function or a class of many of its strings. So each of them is compared with
``keras_names.toml`` before a framework sees the file; what is not listed needs ``--allow-code``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edgeprune.errors import CodeRefused, ModelError
from edgeprune.load.keras_names import keras_names
from edgeprune.load.operators import STATELESS, operator_list

_HOW = "give --allow-code if you trust the file"
_NOT_KERAS = (
    "is not part of Keras, and its code is not in the file: save the model as a Keras 2 SavedModel "
    "or as .tflite"
)
_CLIMBS = re.compile(r"^/|(^|/)\.\.(/|$)|\\")
_DTYPE = re.compile(r"[a-z0-9_/-]{1,60}")
_NUMBERS = re.compile(r"b?float\d+|u?int\d+|bfloat16|bool|complex(64|128)|string")
_SPECS = ("tf.TensorSpec", "tf.RaggedTensorSpec", "tf.SparseTensorSpec")
_LOOKED_UP = {
    "initializer": ("initializers",),
    "regularizer": ("regularizers",),
    "constraint": ("constraints",),
}
_FREE = ("inbound_nodes", "input_layers", "output_layers", "build_config", "node_def")
"""Parts whose strings are names of layers, or arguments of pure functions."""

CUSTOM = "edgeprune>"
"""Stands before the name of a class of the user's own in a SavedModel: nothing is called so."""

_SLICES = (
    *("__operators__.getitem", "__operators__.ragged_getitem", "boolean_mask"),
    *("compat.v1.boolean_mask", "slice", "strided_slice", "compat.v1.strided_slice"),
)
_OBJECT_KEYS = ("module", "registered_name", "spec_name", "type_spec")


def check_description(tree: Any, where: str) -> None:
    """Checks all objects and identifiers of a description.

    Args:
        tree: As ``read_description`` returns it.
        where: The file, for messages.

    Raises:
        CodeRefused: It holds or names code; the message names layer, class and module.
        ModelError: It is no description, or names a class that Keras does not have.
    """
    if not isinstance(tree, dict) or "class_name" not in tree:
        raise ModelError(f"{where}: its description names no class_name: no Keras model")
    _Check(where).mapping(tree, "", "model", free=False)


def without_training(tree: Any) -> Any:
    """A description without what only compiling needs, which is never used here.

    Losses and metrics are often functions of the user, whose code the file does not hold.
    """
    if isinstance(tree, dict):
        return {k: without_training(v) for k, v in tree.items() if k != "compile_config"}
    if isinstance(tree, list):
        return [without_training(item) for item in tree]
    return tree


def application_classes(tree: Any) -> frozenset[str]:
    """Classes of ``keras.applications`` in a description, which Keras finds only when told."""
    if isinstance(tree, list):
        return frozenset().union(*map(application_classes, tree))
    if not isinstance(tree, dict):
        return frozenset()
    inner = frozenset().union(*map(application_classes, tree.values()))
    name = str(tree.get("class_name")).rpartition(">")[2]
    return inner | {name} if name in keras_names().kinds["application_layers"] else inner


class _Check:
    """One walk through one description."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.names = keras_names()

    def refuse(self, layer: str, reason: str) -> CodeRefused:
        return CodeRefused(f"{self.where}: layer {_shown(layer)} {reason}: {_HOW}")

    def value(self, value: Any, key: str, layer: str, free: bool) -> None:
        """Anything in the tree; ``key`` is the one that it, or the list around it, stands at."""
        if isinstance(value, dict):
            self.mapping(value, key, layer, free)
        elif isinstance(value, list):
            if key == "vocabulary" and all(isinstance(i, str) or _is_bytes(i) for i in value):
                return  # the words themselves; a text in their place is a path
            for item in value:
                self.value(item, key, layer, free)
        elif isinstance(value, str):
            self.string(value, key, layer, free)

    def mapping(self, node: Mapping[str, Any], key: str, layer: str, free: bool) -> None:
        if "class_name" in node:
            config = node.get("config")
            inner = config.get("name") if isinstance(config, dict) else None
            layer = str(node.get("name") or inner or layer)
            self.thing(node, layer)
        elif any(k in node for k in _OBJECT_KEYS) and not free:
            raise self.refuse(layer, "holds an object without a class")
        free = free or node.get("class_name") in _DECLARATIONS
        stands_for = node.get("class_name") in _STAND_INS
        for k, v in node.items():
            # A function's name was compared in thing().
            is_checked = k == "config" and isinstance(v, str) and "class_name" in node
            if stands_for and k in ("items", "config"):
                self.held(v, key, layer, free)
            elif k not in ("class_name", "module", "registered_name") and not is_checked:
                self.value(v, k, layer, free or k in _FREE)

    def held(self, content: Any, key: str, layer: str, free: bool) -> None:
        """What a tuple, bytes, an array or a slice holds is judged as if it stood there itself."""
        if isinstance(content, dict):
            for k, v in content.items():
                if k != "dtype":  # which was compared with the structure
                    self.value(v, key, layer, free)
        else:
            self.value(content, key, layer, free)

    def thing(self, node: Mapping[str, Any], layer: str) -> None:
        """An object that a loader would make.

        Raises:
            CodeRefused: It is not on the list.
        """
        name, module = node["class_name"], node.get("module")
        if not isinstance(name, str) or not isinstance(module, str | None):
            raise self.refuse(layer, "has a class or module that is no text")
        if name in self.names.refused:
            raise self.refuse(layer, self._said(name, module, self.names.refused[name]))
        if name in STRUCTURES:
            if module is not None or not STRUCTURES[name](node):
                raise self.refuse(layer, f"holds a damaged {name}")
            return
        if name == "function":
            self.function(node, layer)
            return
        self.class_is_listed(name, module, layer)
        self.registered_name(node, (name, f"Custom>{name}"), layer)
        config = node.get("config")
        if isinstance(config, list) and name != "Sequential":
            raise self.refuse(layer, f"of class {name} has a list for its configuration")
        if not isinstance(config, dict | list | None):
            raise self.refuse(layer, f"of class {name} has {_shown(config)} for its configuration")
        if name in _CALLERS:
            self.called(name, config or {}, layer)

    def class_is_listed(self, name: str, module: str | None, layer: str) -> None:
        if module is None and (name in self.names.classes or name.startswith(CUSTOM)):
            return
        if module is None and name in self.names.operations:
            raise ModelError(
                f"{self.where}: layer {_shown(layer)} is the operation {name} of Keras 3, which "
                ".h5 cannot hold: save the model as .keras"
            )
        if module is None:
            raise ModelError(f"{self.where}: layer class {_shown(name)} {_NOT_KERAS}")
        if (module, name) not in self.names.pairs:
            reason = f"needs the class {_shown(name)} of the Python module {_shown(module)}"
            raise self.refuse(layer, reason)

    def function(self, node: Mapping[str, Any], layer: str) -> None:
        """A function by name, as ``activation`` holds one in Keras 3."""
        name, module = node.get("config"), node.get("module")
        known = name in self.names.activations if isinstance(name, str) else False
        if not known or module not in self.names.activation_modules:
            reason = f"calls the function {_shown(name)} of the Python module {_shown(module)}"
            raise self.refuse(layer, reason)
        self.registered_name(node, (str(name), "function"), layer)

    def registered_name(self, node: Mapping[str, Any], good: Iterable[str], layer: str) -> None:
        registered = node.get("registered_name")
        if registered is not None and registered not in good:
            name = _shown(node["class_name"])
            raise self.refuse(layer, f"of class {name} is registered as {_shown(registered)}")

    def called(self, name: str, config: Any, layer: str) -> None:
        """What a layer calls that Keras 2 made from a TensorFlow function."""
        if name == "TensorFlowOpLayer":
            definition = config.get("node_def")
            operator = definition.get("op") if isinstance(definition, dict) else definition
            if not isinstance(operator, str) or operator not in operator_list(STATELESS):
                raise self.refuse(layer, f"runs the TensorFlow operator {_shown(operator)}")
            if _names_function(definition):
                raise self.refuse(layer, f"hands a function to the operator {_shown(operator)}")
            return
        function = config.get("function") if isinstance(config, dict) else None
        good = _SLICES if name == "SlicingOpLambda" else self.names.tensorflow_functions
        if not isinstance(function, str) or function not in good:
            raise self.refuse(layer, f"calls the TensorFlow function {_shown(function)}")

    def string(self, text: str, key: str, layer: str, free: bool) -> None:
        """A setting that is a text.

        Raises:
            CodeRefused: A loader might look it up or open it, and it is not on the list.
        """
        if free:
            if text == "_COMPOSITE_TYPE":
                raise self.refuse(layer, "holds a constant that names a class of TensorFlow")
        elif not self.is_harmless(text, key):
            raise self.refuse(layer, f"has the setting {_shown(key)} = {_shown(text)}")

    def is_harmless(self, text: str, key: str) -> bool:
        if key == "name":
            return text.isprintable() and not _CLIMBS.search(text)
        if key in self.names.words or key == "function":  # the latter was checked in called()
            return True
        last = key.rpartition("_")[2]
        if last == "activation":
            return text in self.names.activations or text in _ACTIVATION_LAYERS
        if last in _LOOKED_UP:
            return any(text in self.names.kinds[kind] for kind in _LOOKED_UP[last])
        if last == "dtype":
            return _DTYPE.fullmatch(text) is not None
        return False

    @staticmethod
    def _said(name: str, module: str | None, reason: str) -> str:
        said = reason if name in reason or name.startswith("__") else f"of class {name} {reason}"
        return said if module is None else f"{said} (module {_shown(module)})"


def _shown(text: Any) -> str:
    """A text out of the file, quoted, without control characters, and cut."""
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _names_function(definition: Any) -> bool:
    """Whether an attribute of an operator's definition is a function, or a list of such."""
    waiting = [definition]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "func" in item:
                return True
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return False


def _is_bytes(item: Any) -> bool:
    return isinstance(item, dict) and item.get("class_name") == "__bytes__"


def _keys(node: Mapping[str, Any], *keys: str) -> bool:
    config = node.get("config")
    return isinstance(config, dict) and set(config) <= set(keys)


def _is_array(node: Mapping[str, Any]) -> bool:
    dtype = node["config"].get("dtype") if _keys(node, "value", "dtype") else None
    return isinstance(dtype, str) and _NUMBERS.fullmatch(dtype) is not None


_CALLERS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
_ACTIVATION_LAYERS = ("ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU")
STRUCTURES: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "__tuple__": lambda node: isinstance(node.get("items"), list),
    "__ellipsis__": lambda node: True,
    "__slice__": lambda node: _keys(node, "start", "stop", "step"),
    "__bytes__": lambda node: _keys(node, "value"),
    "__tensor__": _is_array,
    "__numpy__": _is_array,
    "__keras_tensor__": lambda node: _keys(node, "shape", "dtype", "keras_history"),
    "TensorShape": lambda node: isinstance(node.get("items"), list),
    "TypeSpec": lambda node: node.get("type_spec") in _SPECS,
    "InputSpec": lambda node: isinstance(node.get("config"), dict),
}

_STAND_INS = ("__tuple__", "__ellipsis__", "__slice__", "__bytes__", "__tensor__", "__numpy__")
"""What stands where JSON has no form of its own for a value."""

_DECLARATIONS = ("__keras_tensor__", "TypeSpec")
"""What only says where a tensor comes from, or of which type it is, names of tensors included."""
