"""Which names a Keras description may hold: ``keras_names.toml``, read once."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("keras_names.toml")
_KINDS = (
    "layers",
    "models",
    "application_layers",
    "callers",
    "initializers",
    "tensorflow_initializers",
    "regularizers",
    "constraints",
    "dtype_policies",
    "quantizers",
)


@dataclass(frozen=True)
class KerasNames:
    """What is allowed, and what is refused with a reason of its own.

    Attributes:
        pairs: Module and class of every object that may be named together.
        classes: Names that may stand without a module.
        kinds: Names of each kind, as ``initializers``.
        operations: Classes of ``keras.ops``, which need their module.
        activations: Names of functions.
        activation_modules: Modules that these functions may be said to lie in.
        tensorflow_functions: Public names that the class ``TFOpLambda`` may call.
        words: Settings whose text nothing looks up.
        refused: Reason of each class that is never allowed.
    """

    pairs: frozenset[tuple[str, str]]
    classes: frozenset[str]
    kinds: Mapping[str, frozenset[str]]
    operations: frozenset[str]
    activations: frozenset[str]
    activation_modules: frozenset[str]
    tensorflow_functions: frozenset[str]
    words: frozenset[str]
    refused: Mapping[str, str]


@functools.cache
def keras_names() -> KerasNames:
    """The lists that ship with edgeprune."""
    table = tomllib.loads(_FILE.read_text("utf-8"))
    pairs = {
        (module, name)
        for kind in _KINDS
        for module in table[kind]["modules"]
        for name in table[kind]["classes"]
    }
    pairs |= {(module, name) for module, names in table["operations"].items() for name in names}
    kinds = {kind: frozenset(table[kind]["classes"]) for kind in _KINDS}
    functions = table["functions"]
    both = [*functions["names"], *functions["only_v1"]]
    return KerasNames(
        pairs=frozenset(pairs),
        classes=frozenset().union(*kinds.values()),
        kinds=kinds,
        operations=frozenset(name for names in table["operations"].values() for name in names),
        activations=frozenset(table["activations"]["names"]),
        activation_modules=frozenset(table["activations"]["modules"]),
        tensorflow_functions=frozenset(
            [*functions["names"], *(f"compat.v1.{name}" for name in both)]
        ),
        words=frozenset(table["options"]["words"]),
        refused=table["refused"],
    )
