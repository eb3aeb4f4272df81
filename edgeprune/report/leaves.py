"""Nested tables as a flat list of paths and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value below ``value`` with its path, in order; an empty list or table as such.

    >>> list(leaves({"a": {"b": 1}, "c": [2, None]}))
    [('a.b', 1), ('c[0]', 2), ('c[1]', None)]
    """
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value
