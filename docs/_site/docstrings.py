"""Google-style docstrings as Markdown, and the types of fields in words."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import textwrap
import types
import typing
from typing import Any

_SECTION = re.compile(
    r"^(Args|Options|Attributes|Returns|Yields|Raises|Example|Examples|Source):\s*(.*)$"
)
_ENTRY = re.compile(r"^(?:\*{0,2}[\w.]+(?: \([^)]*\))?(?:, \w+)*|``\S+``): ")


def markdown(text: str) -> str:
    """Sphinx's roles and double backticks as Markdown's code.

    >>> markdown("One of :data:`MODES`, ``int8`` say.")
    'One of `MODES`, `int8` say.'
    """
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return re.sub(r"``([^`]*)``", r"`\1`", text)


def sections(thing: Any) -> dict[str, str]:
    """A docstring by section; what stands before the first one has the empty name."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in inspect.cleandoc(inspect.getdoc(thing) or "").splitlines():
        head = _SECTION.match(line)
        if head:
            name = head[1]
            found[name] = [head[2]] if head[2] else []
            continue
        if line.strip() and not line.startswith(" "):  # what is not indented is in no section
            name = ""
        found[name].append(line)
    return {key: textwrap.dedent("\n".join(lines)).strip() for key, lines in found.items()}


def entries(section: str) -> dict[str, str]:
    """What a section says of each name, in one line each."""
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if _ENTRY.match(line):
            name, _, words = line.partition(": ")
            found[name] = words
        elif name and line.startswith(" "):
            found[name] += f" {line.strip()}"
        elif name and not line.strip():
            name = ""
    return {key: markdown(words) for key, words in found.items()}


def type_words(annotation: Any) -> str:
    """A type as a person who writes TOML thinks of it.

    >>> type_words(int | None), type_words(tuple[str, ...]), type_words(bool)
    ('whole number', 'list of texts', 'true or false')
    """
    plain = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return type_words(typing.get_args(annotation)[0])
    if origin in (types.UnionType, typing.Union):
        inside = [a for a in typing.get_args(annotation) if a is not type(None)]
        return " or ".join(dict.fromkeys(map(type_words, inside)))
    if origin is tuple:
        return f"list of {type_words(typing.get_args(annotation)[0])}s"
    if origin is dict:
        key, value = (type_words(a) for a in typing.get_args(annotation))
        return f"table of {key} = {value}"
    if dataclasses.is_dataclass(annotation):
        return "table"
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


def default_words(field: dataclasses.Field[Any]) -> str:
    """A field's default as TOML writes it; empty where the key must be given."""
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return "must be given"
    if value is None or value == () or value == {}:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        return f"`{value:g}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return "see there" if dataclasses.is_dataclass(value) else f"`{list(value)}`"


def named_values(text: str, module: str) -> str:
    """Puts the values in the place of a constant's name, where it names texts.

    >>> named_values("One of `MODES`.", "edgeprune.recipe.quantize_table")
    'One of `none`, `fp16`, `int8`, `int8-weights`, `int16x8`.'
    """

    def values(found: re.Match[str]) -> str:
        where, _, name = found[1].rpartition(".")
        try:
            constant = getattr(importlib.import_module(where or module), name)
            names = [item for item in constant if isinstance(item, str)]
        except (ImportError, AttributeError, TypeError):
            return found[0]
        return ", ".join(f"`{item}`" for item in names) or found[0]

    return re.sub(r"`((?:[a-z_]+\.)*[A-Z][A-Z_]{2,})`", values, text)


def cell(text: str) -> str:
    """Text that may stand in a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def field_table(table: type) -> str:
    """A dataclass as a table of its keys, but for those that edgeprune fills in itself."""
    told = entries(sections(table).get("Attributes", ""))
    hints = typing.get_type_hints(table, include_extras=True)
    rows = ["| key | takes | default | what it is |", "| --- | --- | --- | --- |"]
    for field in dataclasses.fields(table):
        if field.metadata.get("is_ours"):
            continue
        meaning = named_values(told.get(field.name, ""), table.__module__)
        words = (type_words(hints[field.name]), default_words(field), meaning)
        rows.append(f"| `{field.name}` | " + " | ".join(map(cell, words)) + " |")
    return "\n".join(rows) + "\n"
