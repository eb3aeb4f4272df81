"""Whether the walls hold on this machine: what a child could do, whatever the system promises."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeprune.sandbox import limits
from edgeprune.sandbox.parent import confined
from edgeprune.sandbox.probe import Attempt, Attempts, probe
from edgeprune.sandbox.walls import Wall

_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Tried:
    """What was found about one wall.

    Attributes:
        wall: The wall.
        holds: Whether what it should prevent was refused.
        found: What was tried and what came of it, by what means, and what does not help here.
    """

    wall: Wall
    holds: bool
    found: str


def try_walls() -> list[Tried]:
    """Starts a child and lets it try; takes half a second.

    Raises:
        ModelError: The child does not work at all.
    """
    walls: list[Wall] = []
    limit = limits.memory_bytes()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        tempfile.TemporaryDirectory(prefix="edgeprune-") as outside,
    ):
        Path(outside, "private").write_bytes(b"x")
        port = listening.getsockname()[1]
        asked = Attempts(port, Path(outside), os.getpid(), limit + (1 << 30))
        attempts = confined(probe, asked, timeout_s=_TIMEOUT_S, closed=walls.extend)
    return [_found(wall, attempts) for wall in walls]


def _found(wall: Wall, attempts: Sequence[Attempt]) -> Tried:
    mine = [one for one in attempts if one.wall == wall.name]
    # That nothing else of the user's can be read is more than a read-only disk: it is told alone.
    holds = all(one.refused for one in mine if "read" not in one.what) and bool(wall.held_by)
    parts = [f"could {'not ' if one.refused else ''}{one.what}" for one in mine]
    parts.append("held by " + (", ".join(wall.held_by) or "nothing"))
    if wall.missing:
        parts.append("not held by " + ", ".join(wall.missing))
    return Tried(wall, holds, "; ".join(parts))
