"""Arrays in an ``.npz`` file."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from edgeprune.artifacts import Array
from edgeprune.errors import ModelError

KEYS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: Path) -> dict[str, Array]:
    """The file's arrays, those of :data:`KEYS` that it has.

    Raises:
        ModelError: It is damaged, no ``.npz``, or holds pickled objects, which could run code.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in KEYS if key in archive.files}
    except (
        AttributeError,  # a plain .npy: an array, with nothing to close or list
        TypeError,
        OSError,
        ValueError,
        EOFError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{path}: cannot be read as an .npz file of plain arrays ({', '.join(KEYS)}): {reason}"
        ) from error
