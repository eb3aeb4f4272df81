"""Tries from inside what the walls should prevent: for ``edgeprune doctor``, and for the tests."""

from __future__ import annotations

import mmap
import os
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeprune.progress import Progress

_TIMEOUT_S = 5.0
_STEP_BYTES = 64 << 20


@dataclass(frozen=True)
class Attempts:
    """What to try.

    Attributes:
        port: Port of 127.0.0.1 where somebody listens.
        outside: A folder in which the child has no business, with a file ``private`` in it.
        process: A process of the same user that must not be signalled.
        memory_bytes: More than the child may ask for.
    """

    port: int
    outside: Path
    process: int
    memory_bytes: int


@dataclass(frozen=True)
class Attempt:
    """What became of one try.

    Attributes:
        wall: The wall that should have prevented it.
        what: What was tried.
        refused: Why it failed; empty where it succeeded, and the wall does not hold.
    """

    wall: str
    what: str
    refused: str


def probe(request: Attempts, progress: Progress) -> tuple[Attempt, ...]:
    """Tries each, and that the child may still write into its own folder."""
    found = [
        _tried("network", "connect to this machine", lambda: _connect(request.port)),
        _tried("disk", "write a file outside", lambda: _write(request.outside)),
        _tried("disk", "read a file outside", lambda: _read(request.outside)),
        _tried("others", "signal another process", lambda: os.kill(request.process, 0)),
        _tried("memory", "ask for more memory", lambda: _fill(request.memory_bytes)),
        _tried("own folder", "write a file inside", lambda: _write(Path(tempfile.gettempdir()))),
    ]
    return tuple(found)


def _tried(wall: str, what: str, act: Callable[[], object]) -> Attempt:
    try:
        act()
    except (OSError, MemoryError) as error:
        return Attempt(wall, what, " ".join(str(error).split()) or type(error).__name__)
    return Attempt(wall, what, "")


def _connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), _TIMEOUT_S).close()


def _write(folder: Path) -> None:
    file = folder / "edgeprune-probe"
    file.write_bytes(b"x")
    file.unlink()


def _read(folder: Path) -> None:
    (folder / "private").read_bytes()


def _fill(size: int) -> None:
    """Asks for memory in pieces, and touches none of it."""
    pieces = []
    try:
        for _ in range(0, size, _STEP_BYTES):
            pieces.append(mmap.mmap(-1, _STEP_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    finally:
        for piece in pieces:
            piece.close()
