"""Finds the official runtime library, ``libLiteRt.so``, for a board's processor and version."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgeprune import paths
from edgeprune.agents.download import download_wheel
from edgeprune.errors import DeviceError
from edgeprune.zig import GLIBC, host_isa

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


def library(isa: str, version: str) -> RuntimeLibrary:
    """The runtime library for a processor: the installed one, the cached one, or a fetched one.

    Args:
        isa: ``aarch64``, ``x86_64``, or ``host`` for this machine.
        version: Version of ``ai-edge-litert``.

    Raises:
        DeviceError: It is not at hand and cannot be fetched; nothing half-written is left.
    """
    isa = host_isa() if isa == "host" else isa
    path = _installed(isa, version) or _cached(isa, version)
    if not path.is_file():
        _fetch(isa, version, path)
    return RuntimeLibrary(path, version, sha256_of(path))


def _cached(isa: str, version: str) -> Path:
    return paths.cache_folder() / "runtimes" / f"{isa}-{version}" / _LIBRARY


def _installed(isa: str, version: str) -> Path | None:
    """The library of the installed package, if it is the one that is asked for."""
    spec = importlib.util.find_spec("ai_edge_litert")
    if isa != host_isa() or spec is None or not spec.submodule_search_locations:
        return None
    if importlib.metadata.version(_PACKAGE) != version:
        return None
    path = Path(spec.submodule_search_locations[0]) / _LIBRARY
    return path if path.is_file() else None


def _fetch(isa: str, version: str, path: Path) -> None:
    platform = f"manylinux_{GLIBC.replace('.', '_')}_{isa}"
    with paths.aside(path.parent) as aside:
        where = f"the runtime {_PACKAGE} {version} for {platform} cannot be fetched"
        wheel = download_wheel(f"{_PACKAGE}=={version}", [platform], _PYTHON, aside, where)
        os.replace(_extract(wheel, where), path)


def _extract(wheel: Path, where: str) -> Path:
    """Takes the library alone out of a wheel."""
    extracted = wheel.with_name(_LIBRARY)
    try:
        with zipfile.ZipFile(wheel) as archive:
            inside = f"{_PACKAGE.replace('-', '_')}/{_LIBRARY}"
            with archive.open(inside) as source, extracted.open("wb") as target:
                shutil.copyfileobj(source, target)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DeviceError(f"{where}: the wheel holds no {_LIBRARY} ({error})") from error
    return extracted


def sha256_of(path: Path) -> str:
    """Of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
