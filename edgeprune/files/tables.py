"""Strict TOML: tables into frozen dataclasses, with every fault named by file and key."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from edgeprune.errors import ConfigError
from edgeprune.files.read_file import check_plain, read_text
from edgeprune.text.near_names import nearest
from edgeprune.text.share import SHARE, parse_share

Table = TypeVar("Table")

_MAX_BYTES = 1 << 20
"""Of a file that a person wrote."""


def read_toml(path: Path) -> dict[str, object]:
    """Parses a TOML file.

    Raises:
        ConfigError: The file is missing, not readable or not TOML, is nested too deeply, or holds
            a number that is not finite or beyond 64 bits.
    """
    text = read_text(path, _MAX_BYTES)
    try:
        raw = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path}: is nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, or a date or number that Python cannot hold
        raise ConfigError(f"{path}: not TOML: {error}") from error
    check_plain(raw, str(path))
    return raw


def read_table(
    kind: type[Table],
    raw: dict[str, object],
    where: str,
    renamed: Mapping[str, str] = types.MappingProxyType({}),
) -> Table:
    """Turns a parsed table into the dataclass ``kind``, nested dataclasses included.

    Args:
        kind: A frozen dataclass. A field with a default may be absent.
        raw: The parsed table.
        where: The file, for messages.
        renamed: Dotted keys that had another name once, and that of today, for messages.

    Raises:
        ConfigError: Unknown key, missing key or wrong type; all of them in one message.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Toy:
    ...     size: int
    >>> read_table(Toy, {"size": True}, "toy.toml")
    Traceback (most recent call last):
    edgeprune.errors.ConfigError: toy.toml: size must be int, got True
    """
    wrong: list[str] = []
    known = _renamed(raw, renamed, wrong)
    value = _dataclass(kind, known, "", wrong)
    if wrong:
        raise ConfigError(f"{where}: " + "; ".join(wrong))
    return typing.cast(Table, value)


def _renamed(
    raw: dict[str, object], renamed: Mapping[str, str], wrong: list[str]
) -> dict[str, object]:
    """The parsed table without keys that have another name today; these go to ``wrong``."""
    known = dict(raw)
    for old, new in renamed.items():
        name, _, key = old.partition(".")
        table = known.get(name)
        if isinstance(table, dict) and key in table:
            wrong.append(f"{old!r} is called {new!r} now")
            known[name] = {other: value for other, value in table.items() if other != key}
    return known


def _dataclass(kind: type[Any], raw: dict[str, object], prefix: str, wrong: list[str]) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind, include_extras=True)
    for key in sorted(raw.keys() - fields.keys()):
        close = nearest(key, fields) or _in_a_table(key, hints)
        hint = f" (did you mean {prefix + close!r}?)" if close else ""
        wrong.append(f"unknown key {prefix + key!r}{hint}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            values[name] = _value(hints[name], raw[name], prefix + name, wrong)
        elif field.default is dataclasses.MISSING and (
            field.default_factory is dataclasses.MISSING
        ):
            wrong.append(f"missing {prefix + name!r}")
    return None if wrong else kind(**values)


def _in_a_table(key: str, hints: Mapping[str, Any]) -> str:
    """The dotted key of a table that has this one; empty where no table or several have it."""
    tables = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    found = [
        f"{name}.{field.name}"
        for name, table in tables.items()
        for field in dataclasses.fields(table)
        if field.name == key
    ]
    return found[0] if len(found) == 1 else ""


def _value(hint: Any, raw: object, key: str, wrong: list[str]) -> Any:
    """One value, checked against its type hint; complaints go to ``wrong``."""
    if get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(arm for arm in get_args(hint) if arm is not type(None))
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        if SHARE in marks and isinstance(raw, str):
            return _share(raw, key, wrong)
    return _unmarked(hint, raw, key, wrong)


def _unmarked(hint: Any, raw: object, key: str, wrong: list[str]) -> Any:
    """The same for a hint that says no more than a type."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(raw, dict):
            return _dataclass(hint, raw, key + ".", wrong)
        wrong.append(f"{key} must be a table")
        return None
    if get_origin(hint) is dict:
        element = get_args(hint)[1]
        if isinstance(raw, dict):
            return {k: _value(element, v, f"{key}.{k}", wrong) for k, v in raw.items()}
        wrong.append(f"{key} must be a table")
        return None
    if get_origin(hint) is tuple:
        element = get_args(hint)[0]
        if isinstance(raw, list):
            return tuple(_value(element, v, f"{key}[{i}]", wrong) for i, v in enumerate(raw))
        wrong.append(f"{key} must be a list")
        return None
    if hint is float and type(raw) is int:
        return float(raw)
    if type(raw) is not hint:
        wrong.append(f"{key} must be {hint.__name__}, got {raw!r}")
        return None
    return raw


def _share(raw: str, key: str, wrong: list[str]) -> float | None:
    """The share that a string says, as ``"50%"``."""
    try:
        return parse_share(raw)
    except ValueError as error:
        wrong.append(f"{key} {raw!r}: {error}")
        return None
