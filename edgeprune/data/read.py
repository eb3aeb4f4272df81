"""Finds out which form ``--data`` has, and reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from edgeprune.data.function import read_function
from edgeprune.data.images import read_images
from edgeprune.data.npz import read_npz
from edgeprune.data.raw import RawData
from edgeprune.data.source import form_of, on_one_line
from edgeprune.text.untrusted import printable


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
    with on_one_line():
        form = form_of(spec)
        if form == "folder":
            contents = read_images(Path(spec), shape, seed, say)
        elif form == "npz":
            contents = read_npz(Path(spec))
        else:
            contents = read_function(spec, shape, say)
    return dataclasses.replace(
        contents,
        classes=tuple(map(printable, contents.classes)),
        notes=tuple(map(printable, contents.notes)),
    )
