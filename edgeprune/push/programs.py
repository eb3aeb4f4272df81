"""The agent and its runtime onto the device, with a C library where the device has none."""

from __future__ import annotations

import posixpath
import shlex
import tempfile
from pathlib import Path

from edgeprune import glibc
from edgeprune.board import Board
from edgeprune.push import push
from edgeprune.transports.base import Transport


def needed_libraries(board: Board) -> list[Path]:
    """What goes beside the agent: glibc's loader first, or nothing.

    Raises:
        DeviceError: It is not installed on this machine.
    """
    return glibc.bundle(board.cpu.isa) if board.kind == "android" else []


def push_programs(
    transport: Transport, agent: Path, library: Path, timeout_s: float = 60.0
) -> tuple[str, str]:
    """Brings what runs models to the device.

    Args:
        transport: Open.
        agent: The agent's program.
        library: ``libLiteRt.so``.
        timeout_s: As for ``push``.

    Returns:
        What to start the agent by, and the library's path, both on the device.

    Raises:
        EdgepruneError: As ``push`` does.
        DeviceError: A needed library is not installed on this machine.
    """
    libraries = needed_libraries(transport.board)
    pushed = push(transport, [agent, library, *libraries], timeout_s)
    there = [item.path for item in pushed]
    if not libraries:
        return there[0], there[1]
    folders = ":".join(posixpath.dirname(path) for path in there[2:])
    words = shlex.join([there[2], "--library-path", folders, there[0]])
    # No shell is named on a first line, as it lies elsewhere on each system: the shell that starts
    # this file runs it itself.
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as aside:
        launcher = Path(aside) / "start-agent"
        launcher.write_text(f'exec {words} "$@"\n', encoding="utf-8")
        launcher.chmod(0o755)
        return push(transport, [launcher], timeout_s)[0].path, there[1]
