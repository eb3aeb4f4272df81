"""Compiles the native agent out of ``device_agents``."""

from __future__ import annotations

from pathlib import Path

from edgeprune import paths
from edgeprune.zig import compile_c

_OTHERS = ("qemu_instructions.c",)
"""C files in the folder that are no part of the agent."""


def agent_sources() -> list[Path]:
    """The agent's C files, sorted."""
    folder = paths.shipped("device_agents")
    return sorted(path for path in folder.glob("*.c") if path.name not in _OTHERS)


def agent(target: str) -> Path:
    """The agent's program for ``target``, compiled unless the cache has it.

    Args:
        target: ``aarch64-linux-gnu``, ``x86_64-linux-gnu``, or ``host`` for this machine.

    Raises:
        DeviceError: ``ziglang`` is missing, knows no such target, or fails; nothing is left then.
    """
    # All symbols are bound at the start: bound at first use, which of the two threads gets there
    # first would add or leave out some 600 instructions, and a count should repeat.
    flags = ("-D_POSIX_C_SOURCE=200809L", "-Wl,-z,now", "-s", "-ldl", "-lpthread")
    return compile_c("edgeprune-agent", agent_sources(), flags, target)
