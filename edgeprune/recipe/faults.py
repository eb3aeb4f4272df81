"""What is wrong with the values of a table, each fault in one phrase that begins with the key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from edgeprune.recipe.renamed import renamed_word
from edgeprune.text.near_names import did_you_mean

LAYERS = ("accelerated", "all")
"""Values of the key ``layers``.

``accelerated``: pointwise convolutions and dense layers, which sparse kernels run; ``all``: every
convolution as well.
"""


def not_among(table: Any, known: Mapping[str, Collection[str]]) -> list[str]:
    """Keys of a table whose values are none of the known ones."""
    wrong = []
    for key, names in known.items():
        if (value := getattr(table, key)) not in names:
            must = f"must be one of {', '.join(names)}, got {value!r}{did_you_mean(value, names)}"
            wrong.append(f"{key} {renamed_word(key, value) or must}")
    return wrong


def too_small(table: Any, least: Mapping[str, int]) -> list[str]:
    """Keys of a table whose values lie below the least one."""
    return [
        f"{key} must be >= {low}, got {getattr(table, key)}"
        for key, low in least.items()
        if getattr(table, key) < low
    ]


def not_positive(table: Any, *keys: str) -> list[str]:
    """Keys of a table whose values are not above 0 and finite."""
    return [
        f"{key} must be > 0 and finite, got {getattr(table, key):g}"
        for key in keys
        if not 0 < getattr(table, key) < float("inf")
    ]


def not_a_share(table: Any, *keys: str) -> list[str]:
    """Keys of a table whose values do not lie in [0, 1]."""
    return [
        f"{key} must be in [0, 1], got {share_text(getattr(table, key))}"
        for key in keys
        if not 0 <= getattr(table, key) <= 1
    ]


def share_text(value: float) -> str:
    """A share that is out of range, with what may have been meant by it.

    >>> share_text(90.0)
    '90; write "90%" or 0.9 for 90 percent'
    """
    hint = f'; write "{value:g}%" or {value / 100:g} for {value:g} percent'
    return f"{value:g}{hint if 1 < value <= 100 else ''}"
