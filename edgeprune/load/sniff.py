"""Tells what a file is by its first bytes, and a folder by what lies in it."""

from __future__ import annotations

import enum
from pathlib import Path

from edgeprune.errors import ModelError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_EXPECTED = "expected .h5, .keras, .tflite or the folder of a SavedModel"


class Kind(enum.Enum):
    """What a model may come as."""

    HDF5 = "HDF5"
    ZIP = "zip"
    TFLITE = "TFLite"
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
        raise ModelError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:  # ValueError: the name holds a null byte
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: cannot be read: {reason}") from error
    if not head:
        raise ModelError(f"{path}: is empty")
    if head.startswith(_HDF5):
        return Kind.HDF5
    if head.startswith(_ZIP):
        return Kind.ZIP
    if head[4:8] == b"TFL3":
        return Kind.TFLITE
    raise ModelError(f"{path}: begins with {head!r}, which is no model: {_EXPECTED}")
