"""The runtimes that edgeprune trusts, by SHA-256: what is fetched, kept and used is one of them.

To use another release, or a runtime of your own, name its digest in a board file of your own
(``EDGEPRUNE_BOARDS``): ``sha256 = "..."`` in ``[runtime]``, of ``libLiteRt.so``, or of the wheel
for a board whose agent runs on Python.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from edgeprune.errors import DeviceError

NO_WHEEL = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError),
    *(KeyError, ValueError, NotImplementedError, RuntimeError),
)
"""What is raised where an archive or what it holds is not what a wheel has."""

HASHES = Path(__file__).with_name("runtime_hashes.toml")
"""Tables ``library``, ``wheel`` and ``board_wheel``; benchmarks/runtime_hashes.py makes it."""


def library_sha256(isa: str, version: str, own: str | None = None) -> str:
    """The digest of ``libLiteRt.so``.

    Args:
        isa: ``aarch64`` or ``x86_64``.
        version: Of ``ai-edge-litert``.
        own: The digest that the board file names, which goes before.

    Raises:
        DeviceError: Neither the board file nor edgeprune knows it.
    """
    known = _table("library")
    return _pinned(own or known.get(f"{version} {isa}"), f"LiteRT {version} for {isa}", known)


def wheel_sha256(isa: str, version: str) -> str | None:
    """The digest of the wheel that holds it; None for a release that the board file pins."""
    return _table("wheel").get(f"{version} {isa}")


def board_wheel_sha256(name: str, own: str | None = None) -> str:
    """The digest of a wheel of ``tflite-runtime`` by its file name; as :func:`library_sha256`."""
    known = _table("board_wheel")
    return _pinned(own or known.get(name), name, known)


def sha256_of(path: Path) -> str:
    """Of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(path: Path, wanted: str) -> bool:
    """Whether there is a file of a digest."""
    try:
        return path.is_file() and sha256_of(path) == wanted
    except OSError:  # it cannot be read: another one takes its place
        return False


def check(path: Path, wanted: str, what: str) -> None:
    """Refuses a file that was fetched and is another one than was published.

    Raises:
        DeviceError: It has another digest.
    """
    digest = sha256_of(path)
    if digest != wanted:
        raise DeviceError(
            f"{what} was fetched and is not what was published: its sha256 is {digest}, expected "
            f"{wanted}; the package index or the way to it changed it, and nothing was kept"
        )


def _pinned(digest: str | None, what: str, known: Mapping[str, str]) -> str:
    if digest is None:
        names = ", ".join(sorted({key.rsplit(" ", 1)[0] for key in known}))
        raise DeviceError(
            f"the sha256 of {what} is not known, so that it is not trusted; known: {names}; name "
            'it in a board file of your own: sha256 = "..." in [runtime]'
        )
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise DeviceError(f"{what}: sha256 is {digest!r}, expected 64 hex digits")
    return digest


def _table(name: str) -> Mapping[str, str]:
    with HASHES.open("rb") as file:
        digests: Mapping[str, str] = tomllib.load(file)[name]
    return digests
