"""Folders that keep what took long to make, each named by what it was made of."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from pathlib import Path

_NAME = re.compile("[0-9a-f]{32}")


def make_room(folder: Path, max_bytes: int, unused_s: float) -> None:
    """Removes folders that nobody used for long, and the least recently used beyond a limit.

    Args:
        folder: Holds them.
        max_bytes: What they may take together.
        unused_s: Age at which one goes that nobody asked for again.
    """
    used = sorted(((*use(one), one) for one in kept(folder)), reverse=True)
    total = 0
    for k, (last_s, size, one) in enumerate(used):
        total += size
        is_latest = k == 0  # what was just written, however large
        if time.time() - last_s > unused_s or (total > max_bytes and not is_latest):
            shutil.rmtree(one, ignore_errors=True)


def kept(folder: Path) -> list[Path]:
    """Those in a folder, which may hold what is not ours."""
    return [
        one
        for one in folder.glob("*")
        if _NAME.fullmatch(one.name) and one.is_dir() and not one.is_symlink()
    ]


def summary(folder: Path, max_bytes: int) -> str:
    """How many are kept, what they take of what they may, and where, in words."""
    sizes = [use(one)[1] for one in kept(folder)]
    taken_mb, most_gb = sum(sizes) / 1e6, max_bytes / 1e9
    return f"{len(sizes)}, {taken_mb:,.1f} MB of at most {most_gb:g} GB, in {folder}"


def use(folder: Path) -> tuple[float, int]:
    """When one was used last, as the clock tells time, and how many bytes it takes."""
    found = []
    for file in (folder, *folder.glob("*")):
        with contextlib.suppress(OSError):  # of a process that runs beside this one
            found.append(file.lstat())
    times_s = [one.st_mtime for one in found]
    return max(times_s, default=time.time()), sum(one.st_size for one in found)
