"""Reading small files that people and other programs wrote: nothing in them is taken on trust.

A folder, a pipe without a writer, a file of gigabytes, an odd encoding, a deep or contradictory
document: each is one :class:`~edgeprune.errors.ConfigError` that names the file, and none waits.
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from edgeprune.errors import ConfigError

MAX_TEXT_BYTES = 256 << 20
"""No text that edgeprune writes or reads comes near it: a result's raw times take some 10 MB."""

_CHUNK_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_INTEGER = 1 << 63


def read_bytes(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """A regular file's content.

    Args:
        path: The file.
        max_bytes: How long it may be.

    Raises:
        ConfigError: It is missing, not readable, longer, or no regular file.
    """
    try:
        # Without waiting: to open a pipe would last until somebody writes into it.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:  # ValueError: the name holds a null byte
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from error
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        what = "a folder" if stat.S_ISDIR(kind) else "a pipe or a device"
        raise ConfigError(f"{path}: is {what}, and a file is expected")
    try:
        with os.fdopen(handle, "rb", buffering=0) as file:
            content = _up_to(file, max_bytes + 1, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from error
    if len(content) > max_bytes:
        raise ConfigError(f"{path}: is longer than {max_bytes / 1e6:,.0f} MB")
    return content


def _up_to(file: io.FileIO, count: int, path: Path) -> bytes:
    """So many bytes, or all that there are; memory is taken for what comes, not for what may."""
    parts: list[bytes] = []
    while count:
        part: bytes | None = file.read(min(count, _CHUNK_BYTES))
        if part is None:  # as of /proc/kmsg, which says that it is a regular file
            raise ConfigError(f"{path}: has nothing to read now, and a file is expected")
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_text(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Raises:
        ConfigError: As :func:`read_bytes`, or it is no text in UTF-8.
    """
    content = read_bytes(path, max_bytes)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        wrong = "is UTF-16" if is_wide else f"has a byte at {error.start} that is no UTF-8"
        raise ConfigError(f"{path}: {wrong}: save it as UTF-8") from error


def read_json(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> Any:
    """A JSON document.

    Raises:
        ConfigError: As :func:`read_text`, or it is not JSON, or none that can be used: see
            :func:`parse_json`.
    """
    return parse_json(read_text(path, max_bytes), str(path))


def parse_json(text: str, where: str) -> Any:
    """Parses JSON strictly.

    Args:
        text: The document.
        where: The file, for messages.

    Raises:
        ConfigError: It is not JSON, names a key twice, is nested deeper than 64, or holds NaN, a
            number beyond 64 bits, or half a character.

    >>> parse_json('{"a": 1, "a": 2}', "x.json")
    Traceback (most recent call last):
    edgeprune.errors.ConfigError: x.json: names 'a' twice
    """
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}: not JSON: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: is nested too deeply") from error
    except ValueError as error:  # of the two below, or a number of thousands of digits
        raise ConfigError(f"{where}: {_reason(error)}") from error
    check_plain(value, where)
    return value


def check_plain(value: Any, where: str) -> None:
    """Checks what every later reader relies on, without recursion.

    Args:
        value: Lists and dictionaries of plain values.
        where: The file, for messages.

    Raises:
        ConfigError: It is nested deeper than 64, or holds a number that is not finite or beyond 64
            bits, or a text with a NUL character or one that UTF-8 cannot say.
    """
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ConfigError(f"{where}: is nested too deeply")
        if isinstance(one, dict):
            waiting += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, list):
            waiting += [(part, depth + 1) for part in one]
        elif fault := _fault(one):
            raise ConfigError(f"{where}: {fault}")


def _fault(value: Any) -> str:
    """What is wrong with a plain value; empty for nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number"
    if isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
        return "holds a number beyond 64 bits"
    if isinstance(value, str) and "\0" in value:
        return "holds a text with a NUL character"
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return "holds half a character (a lone surrogate)"
    return ""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"names {twice[:80]!r} twice")
    return table


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a finite number")


def _reason(error: Exception) -> str:
    """Why the system refused, in words; a message in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())
