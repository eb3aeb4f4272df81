"""The agent and its runtime onto the device, with a C library where the device has none."""

from __future__ import annotations

import posixpath
import shlex
import tempfile
from pathlib import Path

from edgeprune.agents import board_python, build, runtime
from edgeprune.devices.boards import Board
from edgeprune.devices.toolchain import glibc
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.push import push


def needed_libraries(board: Board) -> list[Path]:
    """What goes beside the agent: glibc's loader first, or nothing.

    Raises:
        DeviceError: It is not installed on this machine.
    """
    return glibc.bundle(board.cpu.isa) if board.kind == "android" else []


def needed_programs(transport: CommandTransport) -> tuple[Path, runtime.RuntimeLibrary]:
    """The agent and the runtime for a board, on this machine; made or fetched where need be.

    Args:
        transport: Open: a board whose agent runs on its own Python is asked for that.

    Raises:
        DeviceError: One cannot be made or fetched, or the board lacks what they need.
    """
    board = transport.board
    if board.agent.use == "python":
        python = board_python.ask_python(transport)
        library = board_python.wheel(
            board.cpu.isa, board.runtime.version, python, board.runtime.sha256
        )
        return build.python_agent(), library
    agent = build.agent(board.agent.target)
    library = runtime.library(board.cpu.isa, board.runtime.version, board.runtime.sha256)
    needed_libraries(board)
    return agent, library


def push_programs(
    transport: CommandTransport, agent: Path, library: Path, timeout_s: float = 60.0
) -> tuple[str, str]:
    """Brings what runs models to the device.

    Args:
        transport: Open.
        agent: The agent's program.
        library: ``libLiteRt.so``, or the wheel for the agent in Python, which unpacks it there.
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
