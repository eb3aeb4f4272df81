"""Writes a file whole or not at all: the one way in which files for the user come into being."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import select
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from edgeprune.errors import ConfigError
from edgeprune.files import scratch

Content = bytes | str | Callable[[BinaryIO], object]
"""What to write: bytes, text that becomes UTF-8, or a function that writes into an open file."""

READER_S = 10.0
"""How long a named pipe may have no reader, and a stream may take nothing. Source: ours."""

_POLL_S = 0.05
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
_MOST_LINKS = 40
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def write_whole(
    path: Path, content: Content, *, replace: bool = False, is_durable: bool = True
) -> None:
    """Writes a file aside and renames it into place, so that nobody ever sees half of it.

    What is no regular file (a device, a named pipe, standard output) is written into; a link stays
    and the file that it names is written. A new file gets the permissions of the user's umask, and
    one that is replaced keeps its own.

    Args:
        path: The file.
        content: What to write.
        replace: Whether a file of that name may be replaced.
        is_durable: Wait for the disk, and look for what killed processes left beside it; not for
            one of thousands of files that can be made again.

    Raises:
        ConfigError: It cannot be written, or exists; the message names it. Nothing changed then,
            but for what a stream took.
        BrokenPipeError: The reader of a stream left.
    """
    with Reserved(path, replace=replace, is_shared=True, is_durable=is_durable) as reserved:
        reserved.write(content)


class Reserved:
    """A file name that is kept for its owner from the start until it is written.

    A context manager. A second process that reserves the same name meanwhile is refused at once,
    and a reservation dies with its process.
    """

    def __init__(
        self,
        path: Path,
        *,
        replace: bool = False,
        is_shared: bool = False,
        wait_s: float = 0.2,
        is_durable: bool = True,
    ) -> None:
        """Nothing happens before the ``with`` block.

        Args:
            path: The file to be.
            replace: As for :func:`write_whole`.
            is_shared: Others may write the same name at the same time; the last one stays.
            wait_s: How long to wait for another process that has the name.
            is_durable: As for :func:`write_whole`.
        """
        self._path, self._replace, self._is_shared = path, replace, is_shared
        self._wait_s, self._is_durable = wait_s, is_durable
        self._aside: tuple[Path, int] | None = None
        self._target = path

    def __enter__(self) -> Reserved:
        """Takes the name.

        Raises:
            ConfigError: The file exists, another process has the name, or it cannot be written.
        """
        with _named_faults(self._path):
            if is_stream(self._path):
                return self
            self._target = Path(os.path.realpath(self._path))
            self._check()
            if self._is_durable:
                scratch.remove_leftovers(self._target.parent)
            self._aside = self._opened()
        return self

    def write(self, content: Content) -> None:
        """Writes the file.

        Raises:
            ConfigError: As for :func:`write_whole`.
            BrokenPipeError: Likewise.
        """
        with _named_faults(self._path):
            if self._aside is None:
                _write_stream(self._path, content)
                return
            self._check()
            self._put(content, *self._aside)
            self._aside = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._aside is not None:
            aside, descriptor = self._aside
            with contextlib.suppress(OSError):
                aside.unlink()
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _check(self) -> None:
        """The name may be written.

        Raises:
            OSError: It is a folder, is protected, or exists and may not be replaced.
        """
        try:
            mode = self._target.stat().st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not self._replace:
            raise FileExistsError(errno.EEXIST, "it exists already; choose another name")
        if not os.access(self._target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def _opened(self) -> tuple[Path, int]:
        """The file aside, locked."""
        folder, end_s = self._target.parent, time.monotonic() + self._wait_s
        while True:
            name = scratch.passing_name() if self._is_shared else _reservation(self._target.name)
            aside = folder / f"{name}.part"
            descriptor, is_new = _opened_aside(aside)
            try:
                is_ours = scratch.lock(descriptor, aside, max(0.0, end_s - time.monotonic()))
            except OSError as error:
                if not scratch.has_no_locks(error):
                    os.close(descriptor)
                    raise
                is_ours = is_new
            if is_ours:
                return aside, descriptor
            os.close(descriptor)
            if not self._is_shared and time.monotonic() >= end_s:
                raise FileExistsError(
                    errno.EEXIST, "another edgeprune is about to write it; choose another name"
                )

    def _put(self, content: Content, aside: Path, descriptor: int) -> None:
        os.ftruncate(descriptor, 0)
        with contextlib.suppress(OSError):  # a new file, or a file system without permissions
            os.fchmod(descriptor, stat.S_IMODE(self._target.stat().st_mode))
        with open(descriptor, "w+b", closefd=False) as file:
            _fill(file, content)
            file.flush()
        if self._is_durable:
            _sync(descriptor)
        self._rename(aside)
        os.close(descriptor)
        if not self._is_durable:
            return
        with contextlib.suppress(OSError):  # which not every file system can
            folder = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _sync(folder)
            finally:
                os.close(folder)

    def _rename(self, aside: Path) -> None:
        if not self._replace:
            try:
                os.link(aside, self._target)  # which replaces nothing, as a rename would
                aside.unlink()
                return
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
        os.replace(aside, self._target)


def is_stream(path: Path) -> bool:
    """Whether a path names something to write into, rather than a file to make.

    Raises:
        OSError: It cannot be looked at.
    """
    if _own_descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_standard_output(path: Path) -> bool:
    """Whether a path names this process's standard output."""
    return _own_descriptor(path) == 1


def shown(path: Path | str) -> str:
    r"""A path for a message of one line.

    >>> print(shown("a\nb"))
    a\nb
    """
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in str(path))


@contextlib.contextmanager
def _named_faults(path: Path) -> Iterator[None]:
    """Turns the operating system's errors into ours, with the path as the user gave it."""
    if "\0" in str(path):
        raise ConfigError(f"{shown(path)}: cannot be written: a file's name holds no NUL")
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{shown(path)}: cannot be written: {reason}") from error


def _reservation(name: str) -> str:
    """The passing name that belongs to a file's name; a longer one may not fit beside it."""
    return f".edgeprune-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"


def _own_descriptor(path: Path) -> int | None:
    """The number of this process's own open file that a path names, through links as well."""
    name = os.path.abspath(path)
    for _ in range(_MOST_LINKS):
        if name in _STREAMS:
            return _STREAMS[name]
        match = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", name)
        if match:
            return int(match[1])
        if not os.path.islink(name):
            return None
        name = os.path.abspath(os.path.join(os.path.dirname(name), os.readlink(name)))
    return None


def _opened_aside(aside: Path) -> tuple[int, bool]:
    """A descriptor, and whether the file is new."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(aside, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        with contextlib.suppress(FileNotFoundError):
            return os.open(aside, flags), False


def _sync(descriptor: int) -> None:
    """Puts what was written onto the disk, where the file system can."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise


def _fill(file: BinaryIO, content: Content) -> None:
    if callable(content):
        content(file)
    else:
        file.write(content.encode() if isinstance(content, str) else content)


def _write_stream(path: Path, content: Content) -> None:
    """Writes into what is there already.

    Raises:
        OSError: It takes nothing, or is a disk.
    """
    whole = io.BytesIO()
    _fill(whole, content)
    number = _own_descriptor(path)
    if number is not None:
        _write_own(number, whole.getbuffer())
        return
    if stat.S_ISBLK(path.stat().st_mode):
        raise OSError(errno.EPERM, "it is a disk")
    descriptor = _opened_stream(path)
    try:
        _send(descriptor, whole.getbuffer())
    finally:
        os.close(descriptor)


def _write_own(number: int, content: memoryview) -> None:
    """Writes to an open file of this process, behind what was printed to it before."""
    sys.stdout.flush()
    sys.stderr.flush()
    printed = {1: sys.stdout, 2: sys.stderr}.get(number)
    buffer = getattr(printed, "buffer", None)
    if buffer is not None:  # which bears a reader that goes away
        buffer.write(content)
        buffer.flush()
        return
    with open(os.dup(number), "wb") as file:
        file.write(content)


def _opened_stream(path: Path) -> int:
    """A device, or a named pipe as soon as it has a reader."""
    end_s = time.monotonic() + READER_S
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(path.stat().st_mode):
                raise
            if time.monotonic() >= end_s:
                raise OSError(errno.ENXIO, f"nobody read it for {READER_S:g} s") from error
        time.sleep(_POLL_S)


def _send(descriptor: int, left: memoryview) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    while left:
        if not poll.poll(READER_S * 1000):
            raise OSError(errno.ETIMEDOUT, f"it took nothing for {READER_S:g} s")
        with contextlib.suppress(BlockingIOError):
            left = left[os.write(descriptor, left) :]
