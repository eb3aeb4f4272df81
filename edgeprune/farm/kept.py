"""What a host keeps of its nights: each file that was measured, by its content, and the attempts.

A file is kept once however often it was measured, so that a suspected change can be measured again
beside what was there before. What no re-run can need goes, and so do the folders of old nights.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edgeprune.errors import ConfigError, ModelError
from edgeprune.farm.folder import farm_folder, night_folder
from edgeprune.files import paths, scratch
from edgeprune.files.whole_file import write_whole
from edgeprune.load.digest import digest_of
from edgeprune.report.folder import remove_unfinished

MAX_BYTES = 20_000_000_000
"""Of all kept files. Source: ours; 5 MB a model, 100 models, 40 nights."""

_BESIDE = (".log", ".begun")
"""Ends of the names of files that lie beside attempts."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Removed:
    """What a cleaning removed.

    Attributes:
        files: Kept files.
        nights: Folders of nights.
        bytes: Of both.
        trouble: What could not be removed, in a line, or empty.
    """

    files: int
    nights: int
    bytes: int
    trouble: str = ""


def _files_folder() -> Path:
    return paths.data_folder() / "farm-files"


def _place(sha256: str) -> Path:
    return _files_folder() / sha256[:2] / f"{sha256}.tflite"


def keep(file: Path, sha256: str) -> str:
    """Keeps a file that was measured; once, however often that happens.

    Args:
        file: The file.
        sha256: Its digest.

    Returns:
        Why it could not be kept, in one line; empty if it was.
    """
    place = _place(sha256)
    try:
        if place.exists():
            os.utime(place)
            return ""
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, place)  # takes no room; the digest is checked when it is used
            os.utime(place)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT):
                raise
            write_whole(place, file.read_bytes(), replace=True)
    except FileExistsError:
        return ""  # another job has just kept it
    except (OSError, ConfigError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return (
            f"{_files_folder()}: measured files cannot be kept ({reason}): a change tonight may "
            "not be measured again; make room there"
        )
    return ""


def kept_file(sha256: str) -> Path:
    """A file that was kept.

    Raises:
        ModelError: This host does not have it, or it was damaged.
    """
    place = _place(sha256)
    if not _SHA256.fullmatch(sha256) or not place.is_file():
        raise ModelError("the file that was measured then is not kept on this host")
    if digest_of(place) != sha256:
        place.unlink(missing_ok=True)
        raise ModelError("the file that was measured then is damaged, and was removed")
    return place


def lay_out(sha256: str, place: Path) -> Path:
    """Puts a file that was kept where it can be worked with.

    Args:
        sha256: Its digest.
        place: Where to, in a folder that is there.

    Returns:
        ``place``.

    Raises:
        ModelError: As of :func:`kept_file`.
        OSError: It cannot be put there.
    """
    file = kept_file(sha256)
    os.utime(file)
    try:
        os.link(file, place)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, place)
    return place


def remove_files(
    needed: Collection[str], keep_s: float, max_bytes: int = MAX_BYTES, *, dry_run: bool = False
) -> Removed:
    """Removes kept files: those unused for long, and the longest unused ones above a size.

    Args:
        needed: Digests of files that stay whatever happens.
        keep_s: What was measured within so many seconds stays while there is room for it.
        max_bytes: Of all that stay, at most, but for ``needed``.
        dry_run: Remove nothing.
    """
    home = _files_folder()
    found = []
    for file in home.glob("??/*.tflite"):
        with contextlib.suppress(OSError):
            status = file.stat()
            found.append((status.st_mtime, status.st_size, file))
    limit_s, total = time.time() - keep_s, sum(size for _, size, _ in found)
    files = freed = 0
    trouble = ""
    for mtime, size, file in sorted(found):
        if file.stem in needed or (mtime >= limit_s and total <= max_bytes):
            continue
        try:
            if not dry_run:
                file.unlink(missing_ok=True)
        except OSError as error:
            trouble = f"{file}: cannot be removed: {error.strerror or error}"
            continue
        files, freed, total = files + 1, freed + size, total - size
    for folder in home.glob("??"):
        scratch.remove_leftovers(folder)
        with contextlib.suppress(OSError):  # it is not empty
            folder.rmdir()
    return Removed(files, 0, freed, trouble)


def remove_nights(stay: Collection[str], keep_s: float = 0.0, *, dry_run: bool = False) -> Removed:
    """Removes the folders of nights with all their attempts, and what killed runs left in others.

    Args:
        stay: Names of nights whose folders stay.
        keep_s: Folders that something was written into within so many seconds stay as well.
        dry_run: Remove nothing.
    """
    names = {night_folder(night).name for night in stay}
    nights = freed = 0
    trouble = ""
    for folder in sorted(farm_folder().glob("*")):
        if folder.is_symlink() or not _is_nights(folder):
            continue
        try:
            if folder.name in names or folder.stat().st_mtime >= time.time() - keep_s:
                if not dry_run:
                    remove_unfinished(folder)
                continue
            size = sum(_size(file) for file in folder.rglob("*"))
            if not dry_run:
                shutil.rmtree(folder)
        except OSError as error:
            trouble = f"{folder}: cannot be removed: {error.strerror or error}"
            continue
        nights, freed = nights + 1, freed + size
    return Removed(0, nights, freed, trouble)


def _is_nights(folder: Path) -> bool:
    """Whether a folder holds attempts, each beside its files, and nothing else."""
    if not folder.is_dir():
        return False
    names = [entry.name for entry in folder.iterdir() if not entry.is_dir()]
    return bool(names) and all(name.endswith(_BESIDE) for name in names)


def _size(file: Path) -> int:
    with contextlib.suppress(OSError):
        if file.is_file() and not file.is_symlink():
            return file.stat().st_size
    return 0
