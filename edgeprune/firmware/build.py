"""Makes the firmware of a board out of ``firmware``, with ``ziglang``: no compiler is needed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from edgeprune.devices.boards import own_folder
from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.text.untrusted import reason_of
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
_SETTINGS = ("CPU", "ZIG_CPU", "FLOAT", "SHARED", "FLAGS")
_EXAMPLE = "firmware/ports/README.md"
_SETTING = re.compile(r"(\w+) = (.+)")


def ports() -> tuple[str, ...]:
    """The boards that firmware has a port for, sorted: those shipped, and the user's own."""
    found = {file.parent.name for folder in _port_folders() for file in folder.glob("*/build.mk")}
    return tuple(sorted(found))


def built(board: str) -> Path:
    """The firmware of ``board`` as an ELF file, compiled unless the wheel or the cache has it.

    Args:
        board: One of :func:`ports`.

    Raises:
        ConfigError: Firmware has no port for this board, or the port is not whole.
        DeviceError: ``ziglang`` is missing, or fails; nothing is left then.
    """
    if board not in ports():
        raise ConfigError(
            f"firmware has no port for {board}, only for: {', '.join(ports())}; your own goes into "
            f"ports/{board} in the folder that EDGEPRUNE_BOARDS names"
        )
    port = _port(board)
    settings = _settings(port / "build.mk")
    shared = [_port(name) for name in settings["SHARED"].split()]
    portable = paths.shipped("device_agents") / "portable"
    code = [_folder("src"), _folder("server"), _folder("kernels"), *shared, port]
    sources = sorted(file for folder in code for file in folder.glob("*.c"))
    sources += [portable / name for name in _PORTABLE]
    includes = [_folder("include"), *code, *(folder / "libc" for folder in shared), portable]
    script = _INCLUDE.sub(
        lambda found: (_folder("ports") / "cortex_m" / found[1]).read_text(encoding="utf-8"),
        _read(port / "link.ld"),
    )
    flags = (f"-mcpu={settings['ZIG_CPU']}", *settings["FLAGS"].split(), *_FLAGS)
    target = _TARGETS[settings["FLOAT"]]
    version = f'-DEP_VERSION="{__version__}+{_digest(sources, includes, (*flags, script))}"'
    return compile_c(f"{board}.elf", sources, (*flags, version), target, includes, script)


def _folder(name: str) -> Path:
    return paths.shipped("firmware") / name


def _port_folders() -> list[Path]:
    """Folders of ports; the first hit wins: beside the user's own boards, then the shipped one."""
    own = own_folder()
    return [*([own / "ports"] if own else []), _folder("ports")]


def _port(name: str) -> Path:
    """The folder of a port, or of what several share.

    Raises:
        ConfigError: There is none.
    """
    for folder in _port_folders():
        if (folder / name).is_dir():
            return folder / name
    raise ConfigError(f"there is no folder {_port_folders()[0] / name}, which a build.mk names")


def _settings(file: Path) -> dict[str, str]:
    """What a port's ``build.mk`` says, which is also read by make.

    Raises:
        ConfigError: A setting is missing or none of those that there are.
    """
    lines = _read(file).splitlines()
    found = {match[1]: match[2] for line in lines if (match := _SETTING.fullmatch(line.strip()))}
    missing = [name for name in _SETTINGS if name not in found]
    if missing:
        raise ConfigError(f"{file}: missing {', '.join(missing)}, as in {_EXAMPLE}")
    if found["FLOAT"] not in _TARGETS:
        raise ConfigError(
            f"{file}: FLOAT must be one of {', '.join(_TARGETS)}, got {found['FLOAT']}"
        )
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {reason_of(error)}") from error


def _digest(sources: list[Path], includes: list[Path], flags: tuple[str, ...]) -> str:
    """Names firmware by all that it is made of, the same wherever it lies."""
    digest = hashlib.sha256(repr(flags).encode())
    headers = {header for folder in includes for header in folder.rglob("*.h")}
    for path in sorted({*sources, *headers}, key=lambda path: (path.parent.name, path.name)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
