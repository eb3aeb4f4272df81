"""The plug-ins that count instructions: in QEMU's user emulation, and in its system emulation."""

from __future__ import annotations

from pathlib import Path

from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.files import paths


def build_plugin(target: str = "host") -> Path:
    """The user mode's plug-in, compiled for this machine unless the wheel or the cache has it.

    Args:
        target: ``aarch64-linux-gnu``, ``x86_64-linux-gnu``, or ``host`` for this machine.

    Raises:
        DeviceError: It cannot be compiled.
    """
    return _built("qemu_instructions", target)


def build_call_plugin(target: str = "host") -> Path:
    """The same for system emulation, whose plug-in counts calls of one function of the firmware.

    Args:
        target: As for :func:`build_plugin`.

    Raises:
        DeviceError: It cannot be compiled.
    """
    return _built("qemu_calls", target)


def _built(name: str, target: str) -> Path:
    source = paths.shipped("device_agents") / "qemu" / f"{name}.c"
    return compile_c(f"lib{name}.so", [source], ("-shared", "-fPIC", "-s"), target)
