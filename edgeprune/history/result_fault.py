"""What does not fit the format of a result, in one line: where, what is expected, what is there."""

from __future__ import annotations

import re

from edgeprune.history.result.kinds import Schema

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "null",
}
_TYPES = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")


def fault_line(message: str, document: object = None) -> str:
    """A fault with its path first.

    Args:
        message: Of msgspec, or of a rule of :class:`edgeprune.history.result.Entry`.
        document: The plain values, if there are any.

    >>> fault_line("Expected `int` >= 1 - at `$.variants[0].bytes`", {"variants": [{"bytes": 0}]})
    '$.variants[0].bytes: expected a whole number >= 1, got 0'
    >>> fault_line("Object missing required field `bytes` - at `$.variants[0]`")
    "$.variants[0]: lacks the key 'bytes'"
    >>> fault_line("Invalid enum value 2 - at `$.schema`")
    '$.schema: expected 1, got 2'
    """
    text, _, path = message.rpartition(" - at ")
    text, path = (text, path.strip("`")) if text else (message, "$")
    if text.startswith("."):
        return f"{path}{text}"
    return f"{path}: {_plain_words(text, path, document)}"


def _plain_words(text: str, path: str, document: object) -> str:
    """What msgspec says, in words of JSON."""
    if key := re.fullmatch(r"Object missing required field `(.*)`", text):
        return f"lacks the key {key.group(1)!r}"
    if key := re.fullmatch(r"Object contains unknown field `(.*)`", text, re.DOTALL):
        return f"has the key {key.group(1)!r:.80}, which is not known"
    if value := re.fullmatch(r"Invalid enum value (.*)", text, re.DOTALL):
        return f"expected {_allowed(path)}, got {value.group(1):.80}".replace("\n", "?")
    text = _TYPES.sub(lambda kinds: _kinds(kinds.group(1)), text)
    value_there = _value_at(document, path)
    is_plain = not isinstance(value_there, dict | list | tuple)
    if text.startswith("Expected") and "got" not in text and is_plain:
        text += f", got {value_there!r:.80}"
    return text[0].lower() + text[1:]


def _kinds(names: str) -> str:
    return " or ".join(_KINDS.get(name, name) for name in names.split(" | "))


def _allowed(path: str) -> str:
    """The values that a place may have."""
    from edgeprune.history.schema import json_schema

    schema = json_schema()
    place: Schema = schema
    for key, index in _steps(path):
        below = place.get("items") if index else place.get("properties", {}).get(key)
        place = _resolved(below or {}, schema)
    *others, last = map(str, place.get("enum", ["another value"]))
    return f"{', '.join(others)} or {last}" if others else last


def _resolved(place: Schema, schema: Schema) -> Schema:
    """What stands behind references, and beside null."""
    while "$ref" in place or "anyOf" in place:
        if "anyOf" in place:
            place = next(choice for choice in place["anyOf"] if choice != {"type": "null"})
        else:
            place = schema["$defs"][place["$ref"].rpartition("/")[2]]
    return place


def _steps(path: str) -> list[tuple[str, str]]:
    """Keys and indices of a path of msgspec, as ``$.variants[0].bytes``."""
    steps: list[tuple[str, str]] = re.findall(r"\.(\w+)|\[(\d+)\]", path)
    return steps


def _value_at(document: object, path: str) -> object:
    """What a path leads to; a list where it leads nowhere."""
    value = document
    for key, index in _steps(path):
        try:
            value = value[int(index) if index else key]  # type: ignore[index]
        except (TypeError, KeyError, IndexError):
            return []
    return value
