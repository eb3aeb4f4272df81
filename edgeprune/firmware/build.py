"""Makes the firmware of a board out of ``firmware``, with ``ziglang``: no compiler is needed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from edgeprune.devices.boards import own_folder
from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.text.untrusted import reason_of
from edgeprune.version import __version__

TARGETS = {"soft": "thumb-freestanding-eabi", "hard": "thumb-freestanding-eabihf"}
"""The compiler's target by how a port's ``build.mk`` passes floats."""

PORTABLE = ("frame_header.c", "json.c", "text.c", "utf8.c")
"""What firmware takes of ``device_agents/portable``."""

_FLAGS = (
    *("-std=c99", "-ffunction-sections", "-fdata-sections"),
    "-g",  # else -Os leaves no names of functions, by which instructions are counted
    *("-Wl,--gc-sections", "-Wl,-e,ep_start"),
)
_INCLUDE = re.compile(r"^INCLUDE (\w+\.ld)$", re.MULTILINE)
_SETTINGS = ("CPU", "ZIG_CPU", "FLOAT", "SHARED", "FLAGS")
_EXAMPLE = "firmware/ports/README.md"
_SETTING = re.compile(r"(\w+) = (.+)")


@dataclass(frozen=True)
class Sources:
    """What the firmware of a board is made of.

    Attributes:
        files: C files.
        includes: Folders of headers.
    """

    files: tuple[Path, ...]
    includes: tuple[Path, ...]


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
    made_of, set_to = sources(board), settings(board)
    script = _INCLUDE.sub(
        lambda found: (_folder("ports") / "cortex_m" / found[1]).read_text(encoding="utf-8"),
        _read(_port(board) / "link.ld"),
    )
    flags = (f"-mcpu={set_to['ZIG_CPU']}", *set_to["FLAGS"].split(), *_FLAGS)
    version = f'-DEP_VERSION="{__version__}+{_digest(made_of, (*flags, script))}"'
    flags, target = (*flags, version), TARGETS[set_to["FLOAT"]]
    return compile_c(f"{board}.elf", made_of.files, flags, target, made_of.includes, script)


def sources(board: str) -> Sources:
    """What the firmware of ``board`` is made of.

    Raises:
        ConfigError: The port is not whole.
    """
    shared = [_port(name) for name in settings(board)["SHARED"].split()]
    portable = paths.shipped("device_agents") / "portable"
    code = [*map(_folder, ("src", "server", "kernels")), *shared, _port(board)]
    files = sorted(file for folder in code for file in folder.glob("*.c"))
    return Sources(
        (*files, *(portable / name for name in PORTABLE)),
        (_folder("include"), *code, *(folder / "libc" for folder in shared), portable),
    )


def settings(board: str) -> dict[str, str]:
    """What a port's ``build.mk`` says, which is also read by make.

    Raises:
        ConfigError: A setting is missing or none of those that there are.
    """
    file = _port(board) / "build.mk"
    lines = _read(file).splitlines()
    found = {match[1]: match[2] for line in lines if (match := _SETTING.fullmatch(line.strip()))}
    missing = [name for name in _SETTINGS if name not in found]
    if missing:
        raise ConfigError(f"{file}: missing {', '.join(missing)}, as in {_EXAMPLE}")
    if found["FLOAT"] not in TARGETS:
        raise ConfigError(
            f"{file}: FLOAT must be one of {', '.join(TARGETS)}, got {found['FLOAT']}"
        )
    return found


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


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {reason_of(error)}") from error


def _digest(made_of: Sources, flags: tuple[str, ...]) -> str:
    """Names firmware by all that it is made of, the same wherever it lies."""
    digest = hashlib.sha256(repr(flags).encode())
    headers = {header for folder in made_of.includes for header in folder.rglob("*.h")}
    for path in sorted({*made_of.files, *headers}, key=lambda path: (path.parent.name, path.name)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
