"""``result.json``: reading, checking and writing it."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeprune.errors import ConfigError
from edgeprune.files.read_file import read_json
from edgeprune.files.whole_file import shown, write_whole

FILE_NAME = "result.json"


def validate(result: Mapping[str, Any]) -> None:
    """Checks a result against the schema, and every number for being finite.

    Raises:
        ConfigError: A key is missing, unknown or null where a value is due, a value has the wrong
            type or range, or a number is NaN or infinite; the message has the fault's path.
    """
    import jsonschema

    for path, value in _numbers(result, "$"):
        if not math.isfinite(value):
            raise ConfigError(f"{FILE_NAME}: {path}: {value} is not a finite number")
    error = jsonschema.exceptions.best_match(_validator().iter_errors(result))
    if error is not None:
        raise ConfigError(f"{FILE_NAME}: {error.json_path}: {error.message[:300]}")


@functools.cache
def _validator() -> Any:
    import jsonschema  # slow to import, and only needed once a result exists

    schema = json.loads(Path(__file__).with_name("result.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def write_result(result: Mapping[str, Any], folder: Path) -> Path:
    """Writes a valid result to ``folder/result.json``, whole or not at all.

    Args:
        result: What :func:`build_result` returned.
        folder: Made if it does not exist.

    Returns:
        The file.

    Raises:
        ConfigError: The result is not valid, or the folder cannot be written to.
    """
    validate(result)
    target = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{shown(folder)}: cannot be written: {error.strerror}") from error
    write_whole(target, json_text(result), replace=True)
    return target


def read_result(path: Path) -> dict[str, Any]:
    """Reads and checks a ``result.json``, or the one in the folder ``path``.

    Raises:
        ConfigError: The file is missing, not JSON, or not a valid result.
    """
    file = path / FILE_NAME if path.is_dir() else path
    result = read_json(file)
    try:
        validate(result)
    except ConfigError as error:
        raise ConfigError(f"{file}: not a result of edgeprune: {error}") from error
    return dict(result)


def json_text(result: Mapping[str, Any]) -> str:
    """The file's text: indented, but a list of numbers on one line, since there may be thousands.

    >>> print(json_text({"latency_ns": [10, 11]}), end="")
    {
      "latency_ns": [10, 11]
    }
    """
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A string holds no line break of its own in JSON, so only the layout can match.
    return re.sub(r"\[\n[-+.\deE,\s]+\]", lambda found: _one_line(found.group()), text)


def _one_line(numbers: str) -> str:
    return "[" + " ".join(numbers[1:-1].split()) + "]"


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    """Every floating-point number below ``value`` with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, float):
        yield path, value
