"""Looks for code in a model's description before anything is deserialized.

A Keras file describes its layers in JSON. A Lambda layer holds marshalled Python bytecode there;
other entries name a module that the loader would import and a function that it would call. A
SavedModel is a graph, some of whose operators call Python or touch files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgeprune.errors import CodeRefused, ModelError

_HOW = "give --allow-code if you trust the file"
_PACKAGES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
_FUNCTION_HOMES = re.compile(
    r"builtins|((tf_)?keras|tensorflow\.keras|tensorflow\.python\.keras)"
    r"(\.src)?\.(activations|initializers|losses|metrics|regularizers|constraints|ops)(\..*)?"
)
_TF_INITIALIZERS = re.compile(
    r"tensorflow\.python\.ops\.init_ops_v2\.(Constant|Zeros|Ones|Identity|Orthogonal|VarianceScaling"
    r"|(Random|Truncated)(Normal|Uniform)|(Glorot|He|Lecun)(Normal|Uniform))"
)
_TF_FUNCTIONS = re.compile(
    r"(math|nn|linalg|signal|__operators__|bitwise|dtypes|image)\.[\w.]+|cast|clip_by_value|concat"
    r"|expand_dims|fill|gather|gather_nd|identity|ones|ones_like|one_hot|pad|range|reshape"
    r"|reverse|roll|shape|slice|split|squeeze|stack|strided_slice|stop_gradient|tile|transpose"
    r"|unstack|where|zeros|zeros_like|convert_to_tensor|_slice_helper"
    r"|__operators__|compat\.v1\.(nn|math|image|shape|transpose|gather|squeeze)[\w.]*"
)
_OPERATORS = re.compile(
    r"(Eager)?PyFunc(Stateless)?|(Read|Write)File|MatchingFiles|ImmutableConst|.*Reader(V2)?"
    r"|ReaderRead.*|.*(TextLine|TFRecord|FixedLengthRecord|Csv|CSV|LMDB|Sql|Generator)Dataset.*"
    r"|(Save|Load|Snapshot)Dataset.*|.*SummaryWriter|.*SummaryFileWriter|Debug(Identity|Numeric).*"
    r"|FileSystem.*|Rpc.*|XlaCustomCall.*"
)


def check_config(config: str | bytes, where: str) -> None:
    """Checks a model's JSON description.

    Args:
        config: The JSON.
        where: The file, for messages.

    Raises:
        CodeRefused: It holds or names code; the message names the layer.
        ModelError: It is not JSON.
    """
    try:
        tree = json.loads(config)
        for entry, layer in _entries(tree, "model"):
            reason = _code_in(entry)
            if reason:
                raise CodeRefused(f"{where}: layer {layer!r} {reason}: {_HOW}")
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: its description is not readable JSON: {error}") from error


def check_operators(names: Iterable[str], where: str) -> None:
    """Checks the operators of a SavedModel.

    Raises:
        CodeRefused: One of them calls Python or touches files.
    """
    found = sorted({name for name in names if _OPERATORS.fullmatch(name)})
    if found:
        raise CodeRefused(
            f"{where}: operators {', '.join(found)} call Python or touch files: {_HOW}"
        )


def _entries(node: Any, layer: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every object in the tree, with the name of the layer that it belongs to."""
    if isinstance(node, dict):
        config = node.get("config")
        if "class_name" in node:
            inner = config.get("name") if isinstance(config, dict) else None
            layer = str(node.get("name") or inner or layer)
        yield node, layer
        for value in node.values():
            yield from _entries(value, layer)
    elif isinstance(node, list):
        for value in node:
            yield from _entries(value, layer)


def _code_in(entry: Mapping[str, Any]) -> str:
    """Why an object of the description is code, or nothing."""
    name = str(entry.get("class_name", "")).rpartition(">")[2]
    module = entry.get("module")
    if name == "Lambda" or name == "__lambda__":
        return "is a Lambda, which holds Python code"
    if any("lambda" in str(value) for key, value in entry.items() if key.endswith("_type")):
        return "holds a Python function"
    if name in ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod"):
        return _tf_function(entry)
    if not name or not isinstance(module, str):
        return ""
    root_is_known = any(module == p or module.startswith(p + ".") for p in _PACKAGES)
    if name == "function":
        return "" if _FUNCTION_HOMES.fullmatch(module) else f"calls a function of {module}"
    if module == "builtins" or _TF_INITIALIZERS.fullmatch(f"{module}.{name}"):
        return ""
    if not root_is_known or ".utils" in module:
        return f"is a {name} of the Python module {module}, which would be imported"
    return ""


def _tf_function(entry: Mapping[str, Any]) -> str:
    """Keras 2 writes a TensorFlow function that a model calls by its public name."""
    config = entry.get("config")
    function = str(config.get("function", "")) if isinstance(config, dict) else ""
    if not function or _TF_FUNCTIONS.fullmatch(function):
        return ""
    return f"calls the TensorFlow function {function}"
