"""Nested tables as a flat list of paths and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def flattened(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every plain value below ``value`` with its path, in order; an empty list or table as such.

    >>> list(flattened({"a": {"b": 1}, "c": [2, None]}))
    [('a.b', 1), ('c[0]', 2), ('c[1]', None)]
    """
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flattened(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for index, item in enumerate(value):
            yield from flattened(item, f"{path}[{index}]")
    else:
        yield path, value
