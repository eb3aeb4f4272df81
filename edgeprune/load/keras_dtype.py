"""Keras models that compute in other floats than float32, taken as float32.

TFLite has float32 alone for most operators, and so have the kernels of a board's processor. Weights
of ``mixed_float16`` are float32 anyway; those of ``float16``, ``bfloat16`` and ``float64`` become
so. What is then computed differs by no more than the rounding of the narrower type.
"""

from __future__ import annotations

from typing import Any

OTHER_FLOATS = frozenset(
    "float16 bfloat16 float64 mixed_float16 mixed_bfloat16 mixed_float64 half double".split()
)
"""Names of types and of policies, which say in what type a layer computes, as Keras spells them."""

_POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy")


def in_float32(tree: Any) -> tuple[Any, frozenset[str]]:
    """A description whose layers compute in float32.

    Args:
        tree: A model's description, as dictionaries and lists.

    Returns:
        The description, and the types or policies that were in it instead.
    """
    names: set[str] = set()
    return _changed(tree, names), frozenset(names)


def _changed(tree: Any, names: set[str]) -> Any:
    if isinstance(tree, list):
        return [_changed(item, names) for item in tree]
    if not isinstance(tree, dict):
        return tree
    changed = {}
    for key, value in tree.items():
        name = _policy(value) if key == "dtype" else ""
        if name:
            names.add(name)
        changed[key] = "float32" if name else _changed(value, names)
    return changed


def _policy(value: Any) -> str:
    """The type or policy that a layer names; empty for float32, whole numbers and other things."""
    if isinstance(value, dict) and value.get("class_name") in _POLICIES:
        config = value.get("config")
        value = config.get("name") if isinstance(config, dict) else None
    return value if isinstance(value, str) and value in OTHER_FLOATS else ""
