"""Makes the firmware of a board out of ``firmware``, with ``ziglang``: no compiler is needed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.version import __version__

_TARGETS = {"soft": "thumb-freestanding-eabi", "hard": "thumb-freestanding-eabihf"}
"""The compiler's target by how a port's ``build.mk`` passes floats."""

_PORTABLE = ("frame_header.c", "json.c", "text.c", "utf8.c")
"""What firmware takes of ``device_agents/portable``."""

_FLAGS = (
    *("-std=c99", "-ffunction-sections", "-fdata-sections"),
    *("-Wl,--gc-sections", "-Wl,-e,ep_start"),
)
_INCLUDE = re.compile(r"^INCLUDE (\w+\.ld)$", re.MULTILINE)
_SETTING = re.compile(r"(\w+) = (.+)")


def ports() -> tuple[str, ...]:
    """The boards that firmware has a port for, sorted."""
    return tuple(sorted(file.parent.name for file in _folder("ports").glob("*/build.mk")))


def built(board: str) -> Path:
    """The firmware of ``board`` as an ELF file, compiled unless the wheel or the cache has it.

    Args:
        board: One of :func:`ports`.

    Raises:
        ConfigError: Firmware has no port for this board.
        DeviceError: ``ziglang`` is missing, or fails; nothing is left then.
    """
    if board not in ports():
        raise ConfigError(f"firmware has no port for {board}, only for: {', '.join(ports())}")
    port = _folder("ports") / board
    settings = _settings(port / "build.mk")
    shared = [_folder("ports") / name for name in settings["SHARED"].split()]
    portable = paths.shipped("device_agents") / "portable"
    code = [_folder("src"), _folder("server"), _folder("kernels"), *shared, port]
    sources = sorted(file for folder in code for file in folder.glob("*.c"))
    sources += [portable / name for name in _PORTABLE]
    includes = [_folder("include"), *code, *(folder / "libc" for folder in shared), portable]
    script = _INCLUDE.sub(
        lambda found: (_folder("ports") / "cortex_m" / found[1]).read_text(encoding="utf-8"),
        (port / "link.ld").read_text(encoding="utf-8"),
    )
    flags = (f"-mcpu={settings['ZIG_CPU']}", *settings["FLAGS"].split(), *_FLAGS)
    target = _TARGETS[settings["FLOAT"]]
    version = f'-DEP_VERSION="{__version__}+{_digest(sources, includes, (*flags, script))}"'
    return compile_c(f"{board}.elf", sources, (*flags, version), target, includes, script)


def _folder(name: str) -> Path:
    return paths.shipped("firmware") / name


def _settings(file: Path) -> dict[str, str]:
    """What a port's ``build.mk`` says, which is also read by make."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {found[1]: found[2] for line in lines if (found := _SETTING.fullmatch(line))}


def _digest(sources: list[Path], includes: list[Path], flags: tuple[str, ...]) -> str:
    """Names firmware by all that it is made of, the same wherever it lies."""
    digest = hashlib.sha256(repr(flags).encode())
    headers = {header for folder in includes for header in folder.rglob("*.h")}
    for path in sorted({*sources, *headers}, key=lambda path: (path.parent.name, path.name)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
