"""Passing files and folders that are locked while their owner lives, and removed after its death.

The lock is the kernel's (``flock``): it ends with the process, however that ends, and holds across
containers. So what cannot be locked is in use, and what can be is a killed process's leftover.
Where a file system has no locks, age decides.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ABANDONED_S = 2 * 24 * 3600
"""Age of a leftover where nothing can be locked. Source: ours; no run takes that long."""

_NO_LOCKS = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EBADF, errno.EINVAL)
_LOCK_POLL_S = 0.02
_NAME = re.compile(r"\.?edgeprune-[0-9a-f]{16}(\.part)?")


def passing_name(prefix: str = ".") -> str:
    """A name that nothing else has, and that :func:`remove_leftovers` knows."""
    return f"{prefix}edgeprune-{secrets.token_hex(8)}"


def lock(descriptor: int, path: Path, wait_s: float = 0.0) -> bool:
    """Locks an open file or folder until it is closed.

    Args:
        descriptor: Of the file or folder.
        path: Where it was opened.
        wait_s: How long to wait for another owner.

    Returns:
        False where another process has the lock, or removed the file meanwhile.

    Raises:
        OSError: The file system has no locks: see :func:`has_no_locks`.
    """
    end_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _is_at(descriptor, path)
        except BlockingIOError:
            if time.monotonic() >= end_s:
                return False
        time.sleep(_LOCK_POLL_S)


def has_no_locks(error: OSError) -> bool:
    """Whether an error of :func:`lock` says that the file system has none."""
    return error.errno in _NO_LOCKS


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[int | None]:
    """Locks an existing file or folder meanwhile: its descriptor; None where its owner lives.

    A file or folder of another user's is never claimed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield descriptor if _is_left(descriptor, path) else None
    finally:
        os.close(descriptor)


def remove_leftovers(parent: Path, prefix: str = ".") -> None:
    """Removes what killed processes of this user left in a folder under a passing name."""
    with contextlib.suppress(OSError):
        names = [
            one.name for one in os.scandir(parent) if one.name.startswith(f"{prefix}edgeprune-")
        ]
        for path in (parent / name for name in names if _NAME.fullmatch(name)):
            with claimed(path) as descriptor:
                if descriptor is None:
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch_folder(parent: Path, prefix: str = ".") -> Iterator[Path]:
    """A folder inside ``parent`` for as long as the block runs.

    Those that killed processes left there are removed first.

    Raises:
        OSError: ``parent`` cannot be written.
    """
    remove_leftovers(parent, prefix)
    path, descriptor = _made(parent, prefix)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


@contextlib.contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Puts all temporary files of this process, its libraries' too, into one scratch folder.

    Where none can be made, they lie where they always do.
    """
    before = tempfile.tempdir
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder = scratch_folder(Path(tempfile.gettempdir()), prefix="")
            tempfile.tempdir = str(stack.enter_context(folder))
        try:
            yield
        finally:
            tempfile.tempdir = before


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder and its locked descriptor."""
    while True:
        path = parent / passing_name(prefix)
        path.mkdir(mode=0o700)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # taken for a leftover before it was locked
            continue
        try:
            if lock(descriptor, path, wait_s=1.0):
                return path, descriptor
        except OSError as error:
            if has_no_locks(error):
                return path, descriptor
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether what was opened still has its name."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def _is_left(descriptor: int, path: Path) -> bool:
    about = os.fstat(descriptor)
    if about.st_uid != os.geteuid():
        return False
    try:
        return lock(descriptor, path)
    except OSError as error:
        return has_no_locks(error) and time.time() - about.st_mtime > ABANDONED_S
