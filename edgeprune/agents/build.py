"""Makes the agents out of ``device_agents``: compiles the native one, packs the one in Python."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.files import paths

_RELEASE = "0.1.0"
"""That of ``edgeprune.__version__``, as a test holds: nothing here may import what is above."""

_C_FOLDERS = ("native", "portable", "kernels")

_FLAGS = ("-D_POSIX_C_SOURCE=200809L", "-Wl,-z,now", "-s", "-ldl", "-lpthread", "-lm")
"""All symbols are bound at the start: bound at first use, which of the two threads gets there first
would add or leave out some 600 instructions, and a count should repeat."""


def agent_sources() -> list[Path]:
    """The agent's C files, sorted."""
    folder = paths.shipped("device_agents")
    return sorted(path for name in _C_FOLDERS for path in (folder / name).glob("*.c"))


def agent(target: str) -> Path:
    """The agent's program for ``target``, compiled unless the cache has it.

    Args:
        target: ``aarch64-linux-gnu``, ``x86_64-linux-gnu``, or ``host`` for this machine.

    Raises:
        DeviceError: ``ziglang`` is missing, knows no such target, or fails; nothing is left then.
    """
    return compile_c("edgeprune-agent", agent_sources(), (version_flag(), *_FLAGS), target)


def version_flag() -> str:
    """The compiler's flag that says what the native agent calls itself."""
    headers = {header for path in agent_sources() for header in path.parent.glob("*.h")}
    files = sorted({*agent_sources(), *headers})
    texts = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in files}
    return f'-DAGENT_VERSION="{_version(texts, _FLAGS)}"'


def _version(texts: Mapping[str, bytes], flags: tuple[str, ...] = ()) -> str:
    """What an agent calls itself: the release, and a digest of all that it is made of.

    It is the same on every device and wherever the sources lie, so that a result says which agent
    measured it.
    """
    digest = hashlib.sha256(repr((sorted(texts.items()), flags)).encode()).hexdigest()
    return f"{_RELEASE}+{digest[:12]}"


_PYTHON_PACKAGE = "edgeprune_agent"
_PYTHON_START = f"from {_PYTHON_PACKAGE}.__main__ import main\n\nmain()\n"
_SHEBANG = b"#!/usr/bin/env python3\n"


def python_agent() -> Path:
    """The agent in Python as one file that a board's ``python3`` runs, unless the cache has it.

    Raises:
        DeviceError: The cache cannot be written.
    """
    sources = sorted((paths.shipped("device_agents") / "python" / _PYTHON_PACKAGE).glob("*.py"))
    texts = {f"{_PYTHON_PACKAGE}/{path.name}": path.read_bytes() for path in sources}
    texts[f"{_PYTHON_PACKAGE}/version.py"] = f'VERSION = "{_version(texts)}"\n'.encode()
    texts["__main__.py"] = _PYTHON_START.encode()
    digest = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:24]
    built = paths.cache_folder() / "agents" / digest / "edgeprune-agent.pyz"
    if paths.is_whole(built):
        return built
    with paths.aside(built.parent) as aside:
        unfinished = aside / built.name
        with unfinished.open("wb") as file:
            file.write(_SHEBANG)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, text in texts.items():  # with a fixed date: the same bytes each time
                    archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
        unfinished.chmod(0o755)
        paths.keep(unfinished, built)
    return built
