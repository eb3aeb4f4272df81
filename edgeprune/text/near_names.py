"""What a name with a typing error was to be."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_CUTOFF = 0.6
"""Names less alike are not worth a question. Source: difflib's own."""

_MAX_NAMES = 10_000
"""Names of a folder that are looked at."""


def did_you_mean(name: str, names: Iterable[str], prefix: str = "") -> str:
    """A question to end a message with; empty where no name is like this one.

    Args:
        name: As it was given.
        names: What it can be.
        prefix: Stands before the name in the question.

    >>> did_you_mean("RPI4", ["rpi4", "pixel-8"])
    '; did you mean rpi4?'
    >>> did_you_mean("toaster", ["rpi4", "pixel-8"])
    ''
    """
    close = nearest(name, names)
    return f"; did you mean {prefix}{close}?" if close else ""


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that is most like this one; empty where none is.

    >>> nearest("Sparsty", ["sparsity", "pattern"])
    'sparsity'
    """
    folded = {one.casefold(): one for one in names}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=_CUTOFF)
    return folded[close[0]] if close else ""


def file_beside(path: Path) -> str:
    """The same for a path that does not exist: a file or folder in the same folder."""
    parent = path.parent
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in itertools.islice(entries, _MAX_NAMES)]
    except (OSError, ValueError):
        return "" if str(parent) == "." else f"; there is no folder {parent} either"
    prefix = "" if str(parent) == "." else f"{parent}/"
    return did_you_mean(path.name, names, prefix)
