"""Every field of ``result.json``, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docstrings

import edgeprune


def fields() -> str:
    """A row a field, in the order of the file."""
    rows = "".join(f"| `{path}` | {kind} | {words} |\n" for path, kind, words in _fields(_schema()))
    return f"| field | type | what it is |\n| --- | --- | --- |\n{rows}"


def schema() -> str:
    """The JSON Schema as it stands."""
    return f"```json\n{json.dumps(_schema(), indent=2)}\n```\n"


def _schema() -> dict[str, Any]:
    file = Path(edgeprune.__file__).parent / "history" / "result.schema.json"
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return known


def _fields(schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Path, type and description of every field."""

    def walk(node: dict[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
        for name, field in node.get("properties", {}).items():
            here = f"{path}{name}"
            known, is_null = _resolved(schema, field)
            words = docstrings.cell(docstrings.markdown(_description(field, known)))
            yield here, _kind(known) + (" or null" if is_null else ""), words
            yield from below(known, here)

    def below(node: dict[str, Any], here: str) -> Iterator[tuple[str, str, str]]:
        if "properties" in node:
            yield from walk(node, f"{here}.")
        elif isinstance(node.get("items"), dict):
            yield from below(_resolved(schema, node["items"])[0], f"{here}[]")

    yield from walk(_resolved(schema, schema)[0], "")


def _description(field: dict[str, Any], known: dict[str, Any]) -> str:
    if "const" in known:
        return f"always {json.dumps(known['const'])}"
    values = [value for value in known.get("enum", ()) if value is not None]
    listed = ", ".join(map(str, values))
    named = f"{'one of' if len(values) > 1 else 'always'} {listed}" if values else ""
    words = str(field.get("description") or known.get("description") or "")
    return "; ".join(part for part in (words.rstrip("."), named) if part)


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """What a node refers to in the end, and whether null may stand in its place."""
    is_null = False
    while True:
        choices = node.get("anyOf") or node.get("oneOf")
        if choices:
            rest = [choice for choice in choices if choice.get("type") != "null"]
            is_null |= len(rest) < len(choices)
            node = rest[0]
        elif "$ref" in node:
            target: Any = schema
            for part in node["$ref"].lstrip("#/").split("/"):
                target = target[part]
            node = target
        else:
            return node, is_null


def _kind(node: dict[str, Any]) -> str:
    words = {"object": "table", "array": "list", "string": "text", "boolean": "true or false"}
    kinds = node.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(words.get(kind, kind) for kind in kinds) or "value"
