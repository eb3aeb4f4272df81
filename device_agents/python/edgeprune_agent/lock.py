"""The lock of the device, for one host at a time; it ends with the process, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from edgeprune_agent.refusal import Refusal

_FILE = "edgeprune-device.lock"
_FOLDERS = ("/data/local/tmp", "/tmp", "/var/tmp", "/dev/shm")
_HOLDER_BYTES = 256
_TRIES = 8
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class DeviceLock:
    """Taken at most once, and kept until the process ends."""

    def __init__(self) -> None:
        self._file: int | None = None

    def take(self, folder: str, holder: str) -> tuple[bool, str]:
        """Tries once; whether this process has it, and the line of another one that has.

        Args:
            folder: Where the lock's file lies, or empty for the device's own place.
            holder: A line for others.

        Raises:
            Refusal: No file can be locked there.
        """
        if self._file is not None:
            return True, ""
        reason = ""
        for place in (folder,) if folder else _FOLDERS:
            try:
                return self._try(os.path.join(place, _FILE), holder.encode("utf-8")[:_HOLDER_BYTES])
            except OSError as error:
                reason = error.strerror or str(error)
        places = folder or "/data/local/tmp, /tmp, /var/tmp or /dev/shm"
        raise Refusal(f"no lock in {places}: {reason}")

    def _try(self, path: str, holder: bytes) -> tuple[bool, str]:
        for _ in range(_TRIES):
            file = _opened(path)
            try:
                is_ours = _lock(file)
                if not _is_lock_file(file, path):  # removed meanwhile, or no file of ours
                    continue
                if not is_ours:
                    found = os.pread(file, _HOLDER_BYTES, 0).decode("utf-8", "replace")
                    return False, (found.splitlines() or [""])[0]
                self._file = file
            finally:
                if self._file != file:
                    os.close(file)
            try:
                os.ftruncate(file, 0)
                os.pwrite(file, holder, 0)
            except OSError:  # who has it is for people: the lock holds without
                pass
            return True, ""
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def open_device_file(folder: str, name: str) -> int:
    """Opens a file in ``folder``, or where that is empty in the first place that takes it.

    Raises:
        OSError: No place does.
    """
    last = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for place in (folder,) if folder else _FOLDERS:
        path = os.path.join(place, name)
        try:
            file = _opened(path)
        except OSError as error:
            last = error
            continue
        if _is_lock_file(file, path):
            return file
        os.close(file)
        last = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    raise last


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: str) -> int:
    """The file, made for all users where it is missing; one that is only read can be locked too."""
    for _ in range(_TRIES):
        for mode in (os.O_RDWR, os.O_RDONLY):
            try:
                return os.open(path, mode | _FLAGS)
            except PermissionError:
                if mode == os.O_RDONLY:
                    raise
            except FileNotFoundError:
                break
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)
        except FileExistsError:
            continue
        os.fchmod(file, 0o666)  # whatever this user's umask is
        return file
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _is_lock_file(file: int, path: str) -> bool:
    """Whether it is a small regular file that still has its name, and no other."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    opened = os.fstat(file)
    is_small = opened.st_nlink == 1 and opened.st_size <= _HOLDER_BYTES
    is_same = (opened.st_dev, opened.st_ino) == (there.st_dev, there.st_ino)
    return stat.S_ISREG(opened.st_mode) and is_small and is_same
