"""Tells what a file is by its first bytes, and a folder by what lies in it."""

from __future__ import annotations

import enum
from pathlib import Path

from edgeprune.errors import ModelError
from edgeprune.models.epz import is_epz
from edgeprune.text.near_names import file_beside

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_EXPECTED = "expected .h5, .keras, .tflite, .epz or the folder of a SavedModel"


class Kind(enum.Enum):
    """What a model may come as."""

    HDF5 = "HDF5"
    ZIP = "zip"
    TFLITE = "TFLite"
    EPZ = "epz"
    SAVED_MODEL = "SavedModel"


def sniff(path: Path) -> Kind:
    """What lies at ``path``.

    Raises:
        ModelError: Nothing, or something that is no model.
    """
    try:
        if path.is_dir():
            if (path / "saved_model.pb").is_file():
                return Kind.SAVED_MODEL
            raise ModelError(f"{path}: a folder without saved_model.pb: {_EXPECTED}")
        if path.exists() and not path.is_file():
            raise ModelError(f"{path}: not a file: {_EXPECTED}")
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file{file_beside(path)}") from error
    except (OSError, ValueError) as error:  # ValueError: the name holds a null byte
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: cannot be read: {reason}") from error
    if not head:
        raise ModelError(f"{path}: is empty")
    kind = _by_head(head)
    if kind is None:
        raise ModelError(f"{path}: begins with {head!r}, which is no model: {_EXPECTED}")
    return kind


def _by_head(head: bytes) -> Kind | None:
    if head.startswith(_HDF5):
        return Kind.HDF5
    if head.startswith(_ZIP):
        return Kind.ZIP
    if is_epz(head):
        return Kind.EPZ
    return Kind.TFLITE if head[4:8] == b"TFL3" else None
