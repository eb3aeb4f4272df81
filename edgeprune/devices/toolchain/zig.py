"""Compiles C with ``ziglang``, unless an earlier build has made the same program.

The wheel carries what devices run, so that who installs it needs no compiler; from a checkout,
``ziglang`` makes it on first use, and the cache keeps it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edgeprune.devices.links.pipes import run_to_end
from edgeprune.errors import DeviceError
from edgeprune.files import paths

GLIBC = "2.27"
"""The oldest glibc that the wheels of ``ai-edge-litert`` run on (their tag, manylinux_2_27)."""

_TIMEOUT_S = 300.0
_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
_WITH_C_LIBRARY = ("-rtlib=none",)
"""Nothing that runs on Linux needs the compiler's own library, which takes it seconds to build."""


def host_isa() -> str:
    """This machine's instruction set as boards spell it: ``x86_64`` or ``aarch64``."""
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def compile_c(
    name: str,
    sources: Sequence[Path],
    flags: Sequence[str],
    target: str,
    includes: Sequence[Path] = (),
    link_script: str = "",
) -> Path:
    """Compiles ``sources`` into one file, unless the wheel or the cache has it.

    The same sources make the same bytes, whatever folder they lie in.

    Args:
        name: Name of the file to make.
        sources: C files; the headers beside them count as sources too.
        flags: Compiler flags beside the warnings, all of which are errors.
        target: ``aarch64-linux-gnu``, ``x86_64-linux-gnu``, or ``host`` for this machine; or of a
            microcontroller, ``thumb-freestanding-eabi``.
        includes: Folders that headers are looked for in; what lies in them counts as sources too.
        link_script: Text of the linker script, where the linker's own does not do.

    Returns:
        The file, in a folder of the wheel or of the cache that is named after everything that went
        into it.

    Raises:
        DeviceError: ``ziglang`` is missing, knows no such target, or fails; nothing is left then.
    """
    triple = f"{host_isa()}-linux-gnu" if target == "host" else target
    if triple.endswith("-gnu"):
        triple += f".{GLIBC}"
    missing = [str(source) for source in sources if not source.is_file()]
    if missing or not sources:
        raise DeviceError(f"sources of {name} are missing, reinstall edgeprune: {missing}")
    flags = (*_FLAGS, *(_WITH_C_LIBRARY if "-linux-" in triple else ()), *flags)
    digest = _digest(sources, (*flags, link_script), triple, includes)
    built = paths.cache_folder() / "agents" / digest / name
    shipped = paths.built_with_wheel(digest, name)
    if paths.is_whole(shipped) and os.access(shipped, os.X_OK):
        return shipped
    if paths.is_whole(built):
        return built
    if paths.is_whole(shipped):
        return _executable_copy(shipped, built)
    if importlib.util.find_spec("ziglang") is None:
        raise DeviceError(f"{name} cannot be compiled: pip install 'edgeprune[build]'")
    with paths.aside(built.parent) as aside:
        result = aside / name
        root = os.path.commonpath([source.parent for source in sources])
        code = [*map(str, sources), f"-ffile-prefix-map={root}=."]
        code += [f"-I{folder}" for folder in includes]
        if link_script:
            script = aside / "link.ld"
            script.write_text(link_script, encoding="utf-8")
            code += ["-T", str(script)]
        argv = [sys.executable, "-m", "ziglang", "cc", "-target", triple, "-o", str(result)]
        status, _, errors = run_to_end([*argv, *code, *flags], _TIMEOUT_S, _environment())
        if status != 0 or not result.is_file():
            first = next((s for s in errors.splitlines() if "error" in s), errors.strip()[:300])
            raise DeviceError(f"{name} cannot be compiled for {triple}: {first}")
        paths.keep(result, built)
    return built


def _executable_copy(shipped: Path, built: Path) -> Path:
    """What the wheel carries, where its installer did not mark it as a program."""
    with paths.aside(built.parent) as aside:
        copy = aside / built.name
        shutil.copyfile(shipped, copy)
        copy.chmod(0o755)
        paths.keep(copy, built)
    return built


def _environment() -> dict[str, str]:
    cache = str(paths.cache_folder() / "zig")
    return {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}


def _digest(
    sources: Sequence[Path], flags: Sequence[str], triple: str, includes: Sequence[Path]
) -> str:
    """Names a build by all that goes into it."""
    digest = hashlib.sha256(repr((tuple(flags), triple)).encode())
    headers = {header for source in sources for header in source.parent.glob("*.h")}
    headers |= {header for folder in includes for header in folder.rglob("*.h")}
    for path in sorted({*sources, *headers}):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:24]
