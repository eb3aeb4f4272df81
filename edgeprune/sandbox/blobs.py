"""Files inside an answer, each sent once and by itself.

Most of an answer is a handful of TFLite files, and several may be the same one. Encoded with the
rest they would lie in memory three times over on either side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

SMALLEST_BYTES = 1 << 20
"""Shorter byte strings stay where they are. Source: ours."""

_MARK = b"edgeprune-blob-"


def taken_out(value: Any) -> tuple[Any, list[bytes]]:
    """The value with a mark in place of each long byte string, and these strings.

    Args:
        value: A frozen dataclass; those inside it are looked into.
    """
    blobs: dict[bytes, int] = {}

    def mark(content: bytes) -> bytes:
        if len(content) < SMALLEST_BYTES:
            return content
        return _MARK + b"%d" % blobs.setdefault(content, len(blobs))

    return _changed(value, mark), list(blobs)


def put_back(value: Any, blobs: Sequence[bytes]) -> Any:
    """The value with the strings in their places; a mark that stands for none stays."""
    known = {_MARK + b"%d" % k: blob for k, blob in enumerate(blobs)}
    return _changed(value, lambda content: known.get(content, content)) if known else value


def _changed(value: Any, change: Callable[[bytes], bytes]) -> Any:
    """A value with its byte strings changed, in dataclasses and what they hold directly."""
    if isinstance(value, bytes):
        return change(value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = {
        field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init
    }
    changed = {name: _changed(held, change) for name, held in fields.items()}
    new = {name: held for name, held in changed.items() if held is not fields[name]}
    return dataclasses.replace(value, **new) if new else value
