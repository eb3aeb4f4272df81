"""Finds the official runtime library, ``libLiteRt.so``, for a board's processor and version."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgeprune.agents import pinned
from edgeprune.devices.toolchain.wheels import download_wheel
from edgeprune.devices.toolchain.zig import GLIBC, host_isa
from edgeprune.errors import DeviceError
from edgeprune.files import paths
from edgeprune.text.untrusted import one_line

_PACKAGE = "ai-edge-litert"
_LIBRARY = "libLiteRt.so"
_PYTHON = "3.11"  # any Python that has a wheel does: the library inside is the same


@dataclass(frozen=True)
class RuntimeLibrary:
    """A runtime library on the host.

    Attributes:
        path: The file: ``libLiteRt.so``, or a whole wheel for the agent in Python.
        version: Version of the wheel that it is from.
        sha256: Hex digest of the file.
        name: What the version is one of.
    """

    path: Path
    version: str
    sha256: str
    name: str = "LiteRT"

    @property
    def label(self) -> str:
        """Its name, version and digest, for reports."""
        return f"{self.name} {self.version} (sha256 {self.sha256[:12]})"


def library(isa: str, version: str, sha256: str | None = None) -> RuntimeLibrary:
    """The runtime library for a processor: the installed one, the cached one, or a fetched one.

    Each time, it is the one that was published (:mod:`edgeprune.agents.pinned`): a cached one that
    is damaged is removed and fetched again, and an installed one that differs is left alone.

    Args:
        isa: ``aarch64``, ``x86_64``, or ``host`` for this machine.
        version: Version of ``ai-edge-litert``.
        sha256: Digest that the board file names, of a library that edgeprune does not know.

    Raises:
        DeviceError: It is not at hand and cannot be fetched, or it is another one than was
            published; nothing half-written is left.
    """
    isa = host_isa() if isa == "host" else isa
    wanted = pinned.library_sha256(isa, version, sha256)
    installed = _installed(isa, version)
    if installed is not None:
        if pinned.is_whole(installed, wanted):
            return RuntimeLibrary(installed, version, wanted)
        say_mended(f"{installed} is not LiteRT {version} as it was published: it is not used")
    path = _cached(isa, version)
    if not pinned.is_whole(path, wanted):
        if os.path.lexists(path):
            say_mended(f"{path} was damaged: it is fetched again")
        _fetch(isa, version, path, wanted)
    return RuntimeLibrary(path, version, wanted)


def say_mended(line: str) -> None:
    """Says on standard error what was found damaged, and what becomes of it."""
    print(f"edgeprune: {one_line(line)}", file=sys.stderr)


def _cached(isa: str, version: str) -> Path:
    return paths.cache_folder() / "runtimes" / f"{isa}-{version}" / _LIBRARY


def _installed(isa: str, version: str) -> Path | None:
    """The library of the installed package, if it is the one that is asked for."""
    spec = importlib.util.find_spec("ai_edge_litert")
    if isa != host_isa() or spec is None or not spec.submodule_search_locations:
        return None
    try:
        if importlib.metadata.version(_PACKAGE) != version:
            return None
    except importlib.metadata.PackageNotFoundError:  # copied there without what pip writes
        return None
    path = Path(spec.submodule_search_locations[0]) / _LIBRARY
    return path if path.is_file() else None


def _fetch(isa: str, version: str, path: Path, wanted: str) -> None:
    platform = f"manylinux_{GLIBC.replace('.', '_')}_{isa}"
    with paths.aside(path.parent) as aside:
        where = f"the runtime {_PACKAGE} {version} for {platform} cannot be fetched"
        wheel = download_wheel(f"{_PACKAGE}=={version}", [platform], _PYTHON, aside, where)
        whole = pinned.wheel_sha256(isa, version)
        if whole is not None:
            pinned.check(wheel, whole, wheel.name)
        extracted = _extract(wheel, where)
        pinned.check(extracted, wanted, f"{_LIBRARY} of {wheel.name}")
        paths.put_whole(extracted, path)


def _extract(wheel: Path, where: str) -> Path:
    """Takes the library alone out of a wheel."""
    extracted = wheel.with_name(_LIBRARY)
    try:
        with zipfile.ZipFile(wheel) as archive:
            inside = f"{_PACKAGE.replace('-', '_')}/{_LIBRARY}"
            with archive.open(inside) as source, extracted.open("wb") as target:
                shutil.copyfileobj(source, target)
    except pinned.NO_WHEEL as error:
        why = one_line(error, 100)
        raise DeviceError(f"{where}: the wheel holds no {_LIBRARY} ({why})") from error
    return extracted
