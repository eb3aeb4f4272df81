"""Makes ``libedgeprune_kernels``, which brings edgeprune's own kernels to apps that run LiteRT."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.files.scratch import scratch_folder
from edgeprune.files.whole_file import shown

TARGETS = ("aarch64-linux-gnu", "x86_64-linux-gnu", "aarch64-linux-android")
"""What the library is made for."""

NAME = "libedgeprune_kernels.so"

_ANDROID, _ANDROID_CODE = "aarch64-linux-android", "aarch64-linux-musl"
"""A target that the compiler has no headers for, and one whose code it can run.

The library calls functions alone whose types are the same in both C libraries, and no macro of
theirs stands for data; what it is linked with are stubs, whose names count.
"""

_FLAGS = (
    *(
        "-D_GNU_SOURCE",
        "-fPIC",
        "-fvisibility=hidden",
        "-ffunction-sections",
        "-fdata-sections",
        "-g0",
    ),
    "-r",
)
_SHARED = ("-shared", f"-Wl,-soname,{NAME}", "-Wl,--gc-sections", "-Wl,-z,now", "-s")
_PAGES = "-Wl,-z,max-page-size=16384"
"""Newer phones have pages of 16 KiB. Source: Android's guide "Support 16 KB page sizes"."""

_FUNCTIONS = re.compile(
    r"^(?:__attribute__\(\(.*\)\) )?(?!static\b|typedef\b|#|\s)[\w *]+?[ *](\w+)\([^;{]*\);",
    re.MULTILINE,
)
_OBJECTS = re.compile(r"^extern const struct kernel ([\w, ]+);", re.MULTILINE)


@dataclass(frozen=True)
class KernelsLibrary:
    """The library for one target.

    Attributes:
        shared: The shared library.
        code: One object file with the same functions, to be linked statically.
        header: The C header.
    """

    shared: Path
    code: Path
    header: Path


def kernels_library(target: str) -> KernelsLibrary:
    """Compiles the library, unless the wheel or the cache has it.

    Args:
        target: One of :data:`TARGETS`.

    Raises:
        DeviceError: ``ziglang`` is missing, knows no such target, or fails; nothing is left then.
    """
    folder = paths.shipped("device_agents")
    native = [folder / "native" / f"{name}.c" for name in ("own_kernels", "failure")]
    sources = [
        folder / "library" / "edgeprune_kernels.c", *native, *(folder / "kernels").glob("*.c")
    ]  # fmt: skip
    compiled_for = _ANDROID_CODE if target == _ANDROID else target
    headers = [source.with_suffix(".h") for source in native]
    names = _internal_names([*headers, *(folder / "kernels").glob("*.h")])
    renamed = [f"-D{name}=edgeprune__{name}" for name in names]
    code = compile_c("edgeprune_kernels.o", sorted(sources), (*_FLAGS, *renamed), compiled_for)
    if target == _ANDROID:
        flags = (*_SHARED, "-nostdlib", _PAGES, "-Wl,-z,defs")
        shared = compile_c(NAME, [code, *_stubs()], flags, compiled_for)
    else:
        shared = compile_c(NAME, [code], (*_SHARED, "-lm", "-lpthread", "-ldl"), target)
    return KernelsLibrary(shared, code, folder / "library" / "edgeprune_kernels.h")


def programs(target: str) -> list[Path]:
    """All that is compiled for a target, so that who has it needs no compiler."""
    library = kernels_library(target)
    stubs = _stubs() if target == _ANDROID else []
    return [library.shared, library.code, *stubs]


def write_library(target: str, folder: Path) -> tuple[str, ...]:
    """Writes the library with its header and examples into a new folder.

    Args:
        target: One of :data:`TARGETS`.
        folder: Where; it must not exist.

    Returns:
        Names of the files.

    Raises:
        DeviceError: As :func:`kernels_library`.
        ConfigError: The folder exists or cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise ConfigError(f"{shown(folder)}: exists already; remove it, or choose another name")
    library = kernels_library(target)
    examples = [library.header.with_name(name) for name in ("app.c", "app.py")]
    files = [library.shared, library.code, library.header, *examples]
    try:
        with scratch_folder(folder.absolute().parent) as aside:
            whole = aside / "whole"
            whole.mkdir()
            for file in files:
                shutil.copyfile(file, whole / file.name)
            os.rename(whole, folder)
    except OSError as error:
        raise ConfigError(f"{shown(folder)}: cannot be written: {error.strerror}") from error
    return tuple(file.name for file in files)


def _stubs() -> list[Path]:
    """What stands for Android's own libraries."""
    source = paths.shipped("device_agents") / "library" / "stub.c"
    flags = ("-shared", "-nostdlib")
    return [
        compile_c(
            f"lib{name}.so",
            [source],
            (*flags, f"-Wl,-soname,lib{name}.so", f"-DSTUB_{name.upper()}"),
            _ANDROID_CODE,
        )
        for name in ("c", "dl")
    ]


def _internal_names(headers: list[Path]) -> list[str]:
    """What the C files share, which would clash with an app's own functions of the same name."""
    names = {"KERNELS"}
    for header in headers:
        text = header.read_text(encoding="utf-8")
        names |= set(_FUNCTIONS.findall(text))
        for objects in _OBJECTS.findall(text):
            names |= {name.strip() for name in objects.split(",")}
    return sorted(names)
