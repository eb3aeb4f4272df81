"""The JSON Schema of ``front.json``, made of the types that read it.

``python -m edgeprune.searching.schema`` writes ``front.schema.json``, which the package carries; a
test holds the file against the types.
"""

from __future__ import annotations

from pathlib import Path

from edgeprune.files.whole_file import write_whole
from edgeprune.history.schema import schema_of, text_of
from edgeprune.searching.front import Front

FILE = Path(__file__).with_name("front.schema.json")


def schema_text() -> str:
    """The file's text."""
    return text_of(schema_of(Front, FILE.name, "edgeprune front.json, schema version 1"))


if __name__ == "__main__":
    write_whole(FILE, schema_text(), replace=True)
