"""The options of the public functions: keywords, turned into a table of the recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from edgeprune.errors import ConfigError, ModelError
from edgeprune.text.near_names import did_you_mean

Table = TypeVar("Table")


def check_names(options: Mapping[str, Any], kind: type) -> None:
    """Checks that a function has the keywords that it was given.

    Args:
        options: What it was given.
        kind: A TypedDict of those that it has.

    Raises:
        ConfigError: It has no such keyword.
    """
    names = list(get_type_hints(kind))
    for name in options:
        if name not in names:
            raise ConfigError(f"no such option: {name!r}{did_you_mean(name, names)}")


def table_of(kind: type[Table], options: Mapping[str, Any], of: str = "") -> Table:
    """A recipe's table with these values.

    Args:
        kind: The table, a dataclass.
        options: The table's values by name; what is not named has its default.
        of: What the options belong to, for messages; empty for the function itself.

    Raises:
        ModelError: The table has no such field.
    """
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in options:
        if name not in names:
            place = f" of {of}" if of else ""
            raise ModelError(f"no such option{place}: {name!r}{did_you_mean(name, names)}")
    return kind(**options)
