"""Appending to a file on a device behind a wire, through a program there that takes bytes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from edgeprune.errors import ConfigError, DeviceError, DiskFull
from edgeprune.text.untrusted import device_says

APPEND = 'LC_ALL=C; export LC_ALL; exec cat >> "$1"'
"""For ``sh``: appends its input to a file. Messages come in English, so that they can be read."""


class Program(Protocol):
    """What takes the bytes."""

    def finish(self, timeout_s: float) -> tuple[int, str, str]:
        """Closes its input and waits for its end: exit status, output, complaints."""

    def close(self, timeout_s: float) -> None:
        """Ends it."""


@contextlib.contextmanager
def opened_at(source: Path, offset: int) -> Iterator[tuple[BinaryIO, int]]:
    """A file of the host, open at ``offset``, and its size in bytes.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        stream = source.open("rb")
        size = source.stat().st_size
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read: {error}") from error
    with stream:
        stream.seek(offset)
        yield stream, size


@contextlib.contextmanager
def appending(program: Program, where: str, target: str, timeout_s: float) -> Iterator[None]:
    """Ends ``program`` when it has been sent everything, and checks that it took it.

    Args:
        program: Appends to ``target``.
        where: The device, for messages.
        target: The file there.
        timeout_s: Bounds its end.

    Raises:
        DiskFull: The device has no room.
        DeviceError: The file cannot be written, or the connection broke.
    """
    try:
        yield
        code, _, words = program.finish(timeout_s)
        if code:
            raise DeviceError(f"{where}: {target} cannot be written; {device_says(words)}")
    except DeviceError as error:
        if re.search("No space left|quota exceeded", str(error), re.IGNORECASE):
            hint = "free some, or name another `folder` in bench.toml"
            raise DiskFull(f"{where}: no room for {target}: {hint}") from error
        raise
    finally:
        program.close(0.0)
