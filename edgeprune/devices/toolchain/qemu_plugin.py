"""The plug-in that counts instructions in QEMU's user emulation."""

from __future__ import annotations

from pathlib import Path

from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.files import paths


def build_plugin(target: str = "host") -> Path:
    """The plug-in, compiled for the machine that emulates unless the wheel or the cache has it.

    Args:
        target: ``aarch64-linux-gnu``, ``x86_64-linux-gnu``, or ``host`` for this machine.

    Raises:
        DeviceError: It cannot be compiled.
    """
    source = paths.shipped("device_agents") / "qemu" / "qemu_instructions.c"
    return compile_c("libqemu_instructions.so", [source], ("-shared", "-fPIC", "-s"), target)
