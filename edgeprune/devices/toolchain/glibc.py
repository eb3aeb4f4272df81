"""glibc and the C++ library for devices that have none: Debian's packages on this machine.

A phone has Android's own C library, and the official runtime wants glibc. Its loader starts a
program with libraries from any folder, so that nothing needs to be installed there.
"""

from __future__ import annotations

from pathlib import Path

from edgeprune.errors import DeviceError
from edgeprune.text.debian import install_hint

APT_PACKAGES = "libc6-arm64-cross libstdc++6-arm64-cross"
"""Debian's packages with the files for aarch64."""

_LOADERS = {"aarch64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}

# What agent and runtime are linked with: `objdump -p libLiteRt.so` of ai-edge-litert 2.3.0.
_LIBRARIES = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"),
    *("libstdc++.so.6", "libgcc_s.so.1"),
)


def folder(isa: str) -> Path:
    """Where Debian keeps the libraries for a processor, be it this machine's or another one."""
    cross = Path(f"/usr/{isa}-linux-gnu/lib")
    return cross if cross.is_dir() else Path(f"/lib/{isa}-linux-gnu")


def bundle(isa: str) -> list[Path]:
    """The loader, and all that the agent and the runtime load.

    Args:
        isa: ``aarch64`` or ``x86_64``.

    Raises:
        DeviceError: Something is not installed; the message says how to install it.
    """
    if isa not in _LOADERS:
        raise DeviceError(f"no glibc is known for {isa}; there are: {', '.join(_LOADERS)}")
    files = [folder(isa) / name for name in (_LOADERS[isa], *_LIBRARIES)]
    missing = [file.name for file in files if not file.exists()]
    if missing:
        raise DeviceError(
            f"{folder(isa)} has no {', '.join(missing)}: {install_hint(APT_PACKAGES)}"
        )
    return files
