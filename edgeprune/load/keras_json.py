"""Reads a Keras description: JSON of a bounded size and depth, without doubles."""

from __future__ import annotations

import json
from typing import Any

from edgeprune.errors import ModelError

MAX_BYTES = 64 << 20
"""Largest description: a thousand layers take 1 MB."""

MAX_DEPTH = 100
"""Deepest nesting: each network inside a network takes 6 levels."""

MAX_OBJECTS = 500_000
"""Most JSON objects in one description."""

MAX_VALUES = 4_000_000
"""Most values: words of a vocabulary, say. Each of them is looked at."""

MAX_INTEGER = 1 << 63
"""Beyond all sizes and seeds: Keras has no setting that takes more than 64 bits."""


def read_description(text: str | bytes, where: str) -> Any:
    """A model's JSON description as dictionaries and lists.

    Args:
        text: The JSON.
        where: The file, for messages.

    Raises:
        ModelError: It is no JSON, names a key twice, holds a number beyond 64 bits, or is too
            large or too deeply nested.
    """
    if len(text) > MAX_BYTES:
        raise ModelError(f"{where}: its description is larger than {MAX_BYTES:,} bytes")
    try:
        tree = json.loads(
            text, object_pairs_hook=_without_doubles, parse_constant=float, parse_int=_bounded
        )
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: its description is not readable JSON: {error}") from error
    _check_extent(tree, where)
    return tree


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    by_key = dict(pairs)
    if len(by_key) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:60]!r} appears twice in one object")
    return by_key


def _bounded(digits: str) -> int:
    number = int(digits)
    if not -MAX_INTEGER <= number < 2 * MAX_INTEGER:  # Keras 2 draws seeds without a sign
        raise ValueError(f"holds the number {digits[:20]}..., which is beyond 64 bits")
    return number


def _check_extent(tree: Any, where: str) -> None:
    """Goes through the levels one by one, so that no depth exhausts the stack.

    Raises:
        ModelError: Too deep, or too many objects or values.
    """
    level, objects, values = [tree], 0, 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                objects += 1
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
        level = below
        values += len(level)
        if not level or values > MAX_VALUES:
            break
    if values > MAX_VALUES:
        raise ModelError(f"{where}: its description holds more than {MAX_VALUES:,} values")
    if objects > MAX_OBJECTS:
        raise ModelError(f"{where}: its description holds more than {MAX_OBJECTS:,} objects")
    if level:
        raise ModelError(f"{where}: its description is nested more than {MAX_DEPTH} deep")
