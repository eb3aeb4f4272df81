"""The plug-ins that count: two for QEMU's user emulation, one for its system emulation."""

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


def build_cycles_plugin(target: str = "host") -> Path:
    """The user mode's other plug-in, which counts what cycles are estimated from.

    Args:
        target: As for :func:`build_plugin`.

    Raises:
        DeviceError: It cannot be compiled.
    """
    return _built("qemu_cycles", target, "data_caches")


def build_call_plugin(target: str = "host") -> Path:
    """The same for system emulation, whose plug-in counts calls of one function of the firmware.

    Args:
        target: As for :func:`build_plugin`.

    Raises:
        DeviceError: It cannot be compiled.
    """
    return _built("qemu_calls", target)


def _built(name: str, target: str, *parts: str) -> Path:
    folder = paths.shipped("device_agents") / "qemu"
    sources = [folder / f"{part}.c" for part in (name, *parts)]
    return compile_c(f"lib{name}.so", sources, ("-shared", "-fPIC", "-s"), target)
