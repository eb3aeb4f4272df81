"""Finds out which form ``--data`` has, and reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from edgeprune.data.function import read_function
from edgeprune.data.images import read_images
from edgeprune.data.npz import read_npz
from edgeprune.data.raw import RawData
from edgeprune.errors import ModelError

FORMS = "an .npz file, a folder of images by class, or package.module:function"


def read(spec: str, shape: tuple[int, ...], seed: int, say: Callable[[str], None]) -> RawData:
    """Reads the data as it is.

    Args:
        spec: As the user gave it.
        shape: Of one input of the model.
        seed: Of the split of a folder without parts.
        say: Told how far reading is.

    Raises:
        ModelError: The data is missing or damaged.
    """
    path = Path(spec)
    if path.is_dir():
        return read_images(path, shape, seed, say)
    if path.is_file():
        return RawData(read_npz(path))
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", spec):
        return RawData(read_function(spec, shape))
    raise ModelError(f"{spec}: no such file; expected {FORMS}")
