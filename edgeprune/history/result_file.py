"""``result.json``: reading, checking and writing it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edgeprune.errors import ConfigError
from edgeprune.files.read_file import read_json
from edgeprune.files.whole_file import shown, write_whole
from edgeprune.history.result import Result
from edgeprune.history.result_fault import fault_line

FILE_NAME = "result.json"


def parse_result(document: object) -> Result:
    """Reads a result out of plain values, as JSON has them.

    Raises:
        ConfigError: A key is missing, unknown or null where a value is due, a value has the wrong
            type or range, or a number is NaN or infinite; the message has the fault's path.
    """
    for path, value in _numbers(document, "$"):
        if not math.isfinite(value):
            raise ConfigError(f"{FILE_NAME}: {path}: {value} is not a finite number")
    try:
        return msgspec.convert(document, Result)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{FILE_NAME}: {fault_line(str(error), document)}") from error


def plain(result: Result) -> dict[str, Any]:
    """A result as plain values: the object of ``result.json``."""
    values: dict[str, Any] = msgspec.to_builtins(result)
    return values


def write_result(result: Result, folder: Path) -> Path:
    """Writes a result to ``folder/result.json``, whole or not at all.

    Args:
        result: What :func:`build_result` returned.
        folder: Made if it does not exist.

    Returns:
        The file.

    Raises:
        ConfigError: The result is not valid, or the folder cannot be written to.
    """
    target = folder / FILE_NAME
    content = json_text(result)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{shown(folder)}: cannot be written: {error.strerror}") from error
    write_whole(target, content, replace=True)
    return target


def read_result(path: Path) -> Result:
    """Reads and checks a ``result.json``, or the one in the folder ``path``.

    Raises:
        ConfigError: The file is missing, not JSON, or not a valid result.
    """
    file = path / FILE_NAME if path.is_dir() else path
    document = read_json(file)
    try:
        return parse_result(document)
    except ConfigError as error:
        raise ConfigError(f"{file}: not a result of edgeprune: {error}") from error


def json_text(result: Result) -> str:
    """The file's text: indented, but a list of numbers on one line, since there may be thousands.

    Raises:
        ConfigError: The result is not valid: it was not read, but put together.
    """
    document = plain(result)
    parse_result(document)
    return indented(document)


def indented(document: Mapping[str, Any]) -> str:
    """JSON for people, with a list of numbers on one line.

    >>> print(indented({"latency_ns": [10, 11]}), end="")
    {
      "latency_ns": [10, 11]
    }
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A string holds no line break of its own in JSON, so only the layout can match.
    return re.sub(r"\[\n[-+.\deE,\s]+\]", lambda found: _one_line(found.group()), text)


def _one_line(numbers: str) -> str:
    return "[" + " ".join(numbers[1:-1].split()) + "]"


def _numbers(value: object, path: str) -> Iterator[tuple[str, float]]:
    """Every floating-point number below ``value`` with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, float):
        yield path, value
