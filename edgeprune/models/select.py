"""Finds layers by the names that a user gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    layers = [_forms(name)[1] for name in names]
    return chosen(layer, {name: _forms(name) for name in names}, layers, "layer to prune")


def chosen(
    layer: str, forms: Mapping[str, Sequence[str]], names: Sequence[str], what: str
) -> list[str]:
    """The keys of which one form is a name, or fits a pattern of the shell.

    Args:
        layer: The name or pattern.
        forms: Key to every name that stands for it.
        names: Those to show where nothing is like ``layer``.
        what: What is looked for, for the message.

    Raises:
        ModelError: It fits none; the message says names close to it.
    """
    matches = [key for key, own in forms.items() if any(_fits(form, layer) for form in own)]
    if not matches:
        known = list(dict.fromkeys(form for own in forms.values() for form in own))
        close = get_close_matches(layer, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {_some(names)}"
        raise ModelError(f"no {what} is called {layer!r}: {hint}")
    return matches


def _fits(form: str, layer: str) -> bool:
    return form == layer or fnmatchcase(form, layer)


def _forms(name: str) -> tuple[str, str, str]:
    layer = name.rpartition("/")[0] or name
    return name, layer, layer.rpartition("/")[2]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
