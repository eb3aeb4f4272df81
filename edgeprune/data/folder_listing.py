"""What lies in a folder of images: folders, images, and what is neither."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edgeprune.errors import ModelError

ENDINGS = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .bmp .dib .webp .gif .tif .tiff .ppm .pgm .pbm .pnm .tga "
    ".jp2 .avif".split()
)
"""Names of images end so, in any letter case."""

_HIDDEN = frozenset(
    "__macosx @eadir #recycle @recycle $recycle.bin thumbs.db desktop.ini __pycache__ lost+found "
    "ehthumbs.db".split()
) | {"system volume information"}
"""What operating systems and storage boxes leave behind, beside names that begin with a dot."""

MAX_OTHER_FILES = 1_000_000
"""A folder with more files that are no images is hardly one of images. Source: ours."""


@dataclass
class Listing:
    """What a folder holds.

    Attributes:
        folders: Folders in it, by name.
        images: Files in it that are images by their ending, by name.
        others: Endings of the other files, counted.
    """

    folders: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def listing(folder: Path) -> Listing:
    """One folder, without what lies deeper. Hidden names are left out, links are followed.

    Raises:
        ModelError: The folder cannot be read.
    """
    found = Listing()
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                if is_hidden(entry.name):
                    continue
                path = folder / entry.name
                if _is_folder(entry):
                    found.folders.append(path)
                elif path.suffix.lower() in ENDINGS:
                    found.images.append(path)
                else:
                    found.others[path.suffix.lower() or "no ending"] += 1
    except OSError as error:
        raise ModelError(f"{folder}: cannot be read: {error.strerror}") from error
    return found


def deep_listing(folder: Path) -> Listing:
    """A folder with all that lies below it; each folder is looked at once, however it is linked.

    Raises:
        ModelError: A folder cannot be read, or there are too many files that are no images.
    """
    whole, waiting, seen = Listing(), [folder], set()
    while waiting:
        here = waiting.pop()
        about = here.stat()
        if (about.st_dev, about.st_ino) in seen:
            continue
        seen.add((about.st_dev, about.st_ino))
        part = listing(here)
        waiting += part.folders
        whole.images += part.images
        whole.others += part.others
        if whole.others.total() > MAX_OTHER_FILES:
            raise ModelError(
                f"{folder}: holds more than {MAX_OTHER_FILES:,} files that are no images: is it "
                "the right folder?"
            )
    whole.images.sort()
    return whole


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's data."""
    return name.startswith(".") or name.casefold() in _HIDDEN


def counted(endings: Counter[str]) -> str:
    """Endings with their numbers, the most frequent first.

    >>> counted(Counter({".txt": 3, ".csv": 1}))
    '3 .txt, 1 .csv'
    """
    most = endings.most_common(4)
    rest = endings.total() - sum(count for _, count in most)
    return ", ".join(f"{count:,} {ending}" for ending, count in most) + (
        f", {rest:,} others" if rest else ""
    )


def named(names: Iterable[str], most: int = 3) -> str:
    """Some names, and how many more there are.

    >>> named(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more:,} more" if more > 0 else "")
