"""By what a model is known in every result: the digest of its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder one after the other, in sorted order.

    Returns:
        64 hex digits.

    Raises:
        OSError: A file cannot be read.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
