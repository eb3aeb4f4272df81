"""Finds the official runtime library, ``libLiteRt.so``, for a board's processor and version."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgeprune import paths
from edgeprune.errors import DeviceError, DeviceTimeout
from edgeprune.pipes import run_to_end
from edgeprune.zig import GLIBC, host_isa

_PACKAGE = "ai-edge-litert"
_LIBRARY = "libLiteRt.so"
_DOWNLOAD_TIMEOUT_S = 600.0
_PYTHON = "3.11"  # any Python that has a wheel does: the library inside is the same


@dataclass(frozen=True)
class RuntimeLibrary:
    """A runtime library on the host.

    Attributes:
        path: The file.
        version: Version of the ``ai-edge-litert`` wheel that it is from.
        sha256: Hex digest of the file.
    """

    path: Path
    version: str
    sha256: str


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
    return RuntimeLibrary(path, version, _sha256(path))


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
        argv = [
            *(sys.executable, "-m", "pip", "download", f"{_PACKAGE}=={version}", "--no-deps"),
            *("--platform", platform, "--only-binary", ":all:", "--python-version", _PYTHON),
            *("--dest", str(aside), "--disable-pip-version-check", "--quiet", "--no-input"),
        ]
        where = f"the runtime {_PACKAGE} {version} for {platform} cannot be fetched"
        try:
            status, _, errors = run_to_end(argv, _DOWNLOAD_TIMEOUT_S)
        except DeviceTimeout as error:
            raise DeviceTimeout(f"{where}: {error}") from error
        if status != 0:
            lines = [line for line in errors.splitlines() if line.startswith("ERROR")]
            reason = lines[-1] if lines else errors.strip()[-300:]
            raise DeviceError(f"{where}: {reason}")
        os.replace(_extract(aside, where), path)


def _extract(folder: Path, where: str) -> Path:
    """Takes the library alone out of the wheel in ``folder``."""
    extracted = folder / _LIBRARY
    try:
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            inside = f"{_PACKAGE.replace('-', '_')}/{_LIBRARY}"
            with archive.open(inside) as source, extracted.open("wb") as target:
                shutil.copyfileobj(source, target)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DeviceError(f"{where}: the wheel holds no {_LIBRARY} ({error})") from error
    return extracted


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
