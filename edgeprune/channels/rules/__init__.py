"""Rules by kind of layer, one file a family; other packages add theirs.

A package names a module of its own in the entry-point group ``edgeprune.channels.rules``;
importing it registers its rules with :func:`edgeprune.channels.rules.base.rule`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any

from edgeprune.channels.rules.base import RULES, Rule

_KERAS = ("keras", "tf_keras")
_OPERATIONS = "keras.src.ops."


def rule_for(layer: Any) -> Rule | None:
    """The rule for the layer's own class; None if there is none."""
    _import_all()
    kind = type(layer)
    is_keras = kind.__module__.partition(".")[0] in _KERAS
    if kind.__module__.startswith(_OPERATIONS):
        return RULES.get(f"ops.{kind.__name__}")
    return RULES.get(kind.__name__ if is_keras else f"{kind.__module__}.{kind.__qualname__}")


@functools.cache
def _import_all() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    for entry in entry_points(group=__name__):
        entry.load()
