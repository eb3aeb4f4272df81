"""What a stage measured, as the entry of ``result.json`` that has the same keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgeprune.history.result import Entry

_Part = TypeVar("_Part", bound=Entry)


def stored_part(kind: type[_Part], artefact: object) -> _Part:
    """An entry out of the attributes of the same names; further attributes are left out.

    Args:
        kind: The entry's type.
        artefact: A stage's dataclass.

    Raises:
        msgspec.ValidationError: A value does not fit the schema.
    """
    values = {name: getattr(artefact, name) for name in kind.__struct_fields__}
    return msgspec.convert(plain_values(values), kind)


def plain_values(value: Any) -> Any:
    """Dataclasses to objects, tuples to lists, paths and NumPy's scalars to JSON's types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain_values(
            {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        )
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, str | Path):  # a file's name may hold bytes that are no UTF-8
        return str(value).encode(errors="backslashreplace").decode()
    return value.item() if hasattr(value, "item") else value
