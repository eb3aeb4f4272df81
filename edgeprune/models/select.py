"""Finds layers by the names that a user gives."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from edgeprune.errors import ModelError


def matching(layer: str, names: Sequence[str]) -> list[str]:
    """Names of weights that a layer's name or shell pattern stands for.

    A name fits a weight's whole name (``block1/conv/kernel``), its layer's path (``block1/conv``)
    or its layer's own name (``conv``).

    Raises:
        ModelError: It fits none; the message says names close to it.

    >>> matching("conv*", ["block1/conv_1/kernel", "head/kernel"])
    ['block1/conv_1/kernel']
    """
    matches = [name for name in names if any(fnmatchcase(form, layer) for form in _forms(name))]
    if not matches:
        forms = list(dict.fromkeys(form for name in names for form in _forms(name)))
        close = get_close_matches(layer, forms, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {_some(names)}"
        raise ModelError(f"no layer to prune is called {layer!r}: {hint}")
    return matches


def _forms(name: str) -> tuple[str, str, str]:
    layer = name.rpartition("/")[0] or name
    return name, layer, layer.rpartition("/")[2]


def _some(names: Sequence[str]) -> str:
    layers = [_forms(name)[1] for name in names]
    return ", ".join(layers[:5]) + (f" and {len(layers) - 5} more" if len(layers) > 5 else "")
