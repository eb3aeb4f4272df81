"""The JSON Schema of ``result.json``, made of the types that read it.

``python -m edgeprune.history.schema`` writes ``result.schema.json``, which the package carries for
whoever checks results without edgeprune; a test holds the file against the types.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import msgspec

from edgeprune.files.whole_file import write_whole
from edgeprune.history.result import Entry, Result
from edgeprune.history.result.kinds import Schema

FILE = Path(__file__).with_name("result.schema.json")

_FIELD = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def json_schema() -> Schema:
    """The schema, with every class's rules and every field's description in it."""
    return schema_of(Result, FILE.name, "edgeprune result.json, schema version 1")


def schema_of(kind: type[Entry], name: str, title: str) -> Schema:
    """The schema of a type, with rules and descriptions of every class in it.

    Args:
        kind: The type.
        name: Of the schema's file.
        title: What it is of.
    """
    (_,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for one in _all_entries(Entry):
        if one.__name__ in definitions:
            _complete(definitions[one.__name__], one)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"edgeprune:{name}",
        **definitions.pop(kind.__name__),
        "title": title,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The file's text."""
    return text_of(json_schema())


def text_of(schema: Schema) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _all_entries(kind: type[Entry]) -> list[type[Entry]]:
    return [each for child in kind.__subclasses__() for each in (child, *_all_entries(child))]


def _complete(definition: Schema, kind: type[Entry]) -> None:
    """Puts a class's docstring and rules into its schema."""
    text = inspect.getdoc(kind) or ""
    head, _, fields = text.partition("\n\nAttributes:\n")
    definition["description"] = " ".join(head.split())
    for name, words in _FIELD.findall(fields):
        definition["properties"][name]["description"] = " ".join(words.split())
    definition.update(kind.RULES)


if __name__ == "__main__":
    write_whole(FILE, schema_text(), replace=True)
