"""The lease of the device, which a farm gives to one run after the other (PROTOCOL.md)."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import time
from typing import Callable

from edgeprune_agent.lock import open_device_file
from edgeprune_agent.refusal import Refusal

_FILE = "edgeprune-device.lease"
_NUMBER_BYTES = 24
_PATIENCE_S = 3.0
_POLL_S = 0.01
_FLOCK = "hhqqi4x"
"""``struct flock`` with 64-bit offsets, which Python takes on 32-bit boards as well.

Source: Linux, include/uapi/asm-generic/fcntl.h.
"""


class DeviceLease:
    """Taken at most once, and kept until the process ends."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._epoch = 0

    def take(self, folder: str, epoch: int) -> None:
        """Takes the lease: agents of lower epochs are ended.

        Args:
            folder: Where its file lies, or empty for the device's own place.
            epoch: Counts the leases of this device.

        Raises:
            Refusal: A higher epoch has been here, or an older agent cannot be ended.
        """
        if self._file is not None:
            if epoch != self._epoch:
                raise Refusal("this agent has another lease")
            return
        try:
            file = open_device_file(folder, _FILE)
        except OSError as error:
            raise Refusal(f"no place for a lease: {error.strerror}") from error
        try:
            _take(file, epoch)
        except BaseException as error:
            os.close(file)  # which gives up the record lock as well
            if isinstance(error, OSError):
                raise Refusal(f"no lease: {error.strerror}") from error
            raise
        fcntl.flock(file, fcntl.LOCK_UN)
        self._file, self._epoch = file, epoch

    def check(self) -> None:
        """Before a result is handed out.

        Raises:
            Refusal: A higher epoch has the device now.
        """
        newest = self._epoch if self._file is None else _read(self._file)
        if newest != self._epoch:
            raise LeaseOver(_over(self._epoch, newest))


class LeaseOver(Refusal):
    """Somebody else has the device: the agent ends."""


def _take(file: int, epoch: int) -> None:
    _until(lambda: _lock(file), "its file is locked")
    newest = _read(file)
    if newest > epoch:
        raise Refusal(_over(epoch, newest))
    if newest < epoch:
        # As many digits for every epoch: a number half written must never be a smaller one.
        os.pwrite(file, b"%019d\n" % epoch, 0)
        os.fsync(file)
    # Its record lock on the byte of its epoch is what others see of an agent.
    fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, epoch)
    _until(lambda: _end_one(file, epoch), "a run of an older lease did not end")


def _end_one(file: int, epoch: int) -> bool:
    """Whether no agent has a record lock below ``epoch``; the first that has is ended."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, epoch, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    if kind == fcntl.F_UNLCK:
        return True
    if pid > 0:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except OSError as error:
            why = f"a run of an older lease cannot be ended: {error.strerror}"
            raise Refusal(why) from error
    return False


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        return False
    return True


def _read(file: int) -> int:
    text = os.pread(file, _NUMBER_BYTES, 0).strip()
    return int(text) if text.isdigit() else 0


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > end_s:
            raise Refusal(otherwise)
        time.sleep(_POLL_S)


def _over(epoch: int, newest: int) -> str:
    return f"the lease of epoch {epoch} is over: epoch {newest} has the device"
