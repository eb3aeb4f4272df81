"""One run at a time on a microcontroller: a lock on this machine, which its serial port belongs to.

A run opens its port several times, so that the port's own lock, which keeps other programs off,
would let another run in between. The kernel lets go of the lock when this process ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from edgeprune.agents.lease_folder import FOLDER_VARIABLE
from edgeprune.devices.transports.base import LineTransport
from edgeprune.errors import DeviceError
from edgeprune.measure.device_lock import Claim, wait_for_turn
from edgeprune.progress import Progress
from edgeprune.text.holder import holder_line

_FOLDER = "/tmp"
"""Where all runs meet: each command has a ``tempfile`` folder of its own (``files/scratch.py``)."""

_HOLDER_BYTES = 300


class LineLock:
    """Keeps other runs off a serial port for as long as its ``with`` block runs."""

    def __init__(self, transport: LineTransport, claim: Claim, progress: Progress) -> None:
        """Nothing happens before the ``with`` block.

        Args:
            transport: The open way to the device; nothing is locked where each run has its own.
            claim: Who asks, and how long to wait.
            progress: Told who is waited for.
        """
        self._transport, self._claim, self._progress = transport, claim, progress
        self._file: int | None = None

    def __enter__(self) -> LineLock:
        """Waits for the port, and takes it.

        Raises:
            DeviceError: Another run has it for longer than was to be waited.
        """
        port = self._transport.shared_port
        if port is None:
            return self
        try:
            self._file = _opened(lock_file(port))
        except OSError as error:
            self._progress.warn(
                f"{port} is not locked, so that runs may overlap: {error.strerror or error}"
            )
            return self
        try:
            wait_for_turn(
                self._taken, f"{self._transport.where} ({port})", self._claim, self._progress
            )
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _taken(self) -> str | None:
        """Takes the lock; who has it, where that is another run."""
        file = self._file
        if file is None:
            raise DeviceError("the lock is not open")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.pread(file, _HOLDER_BYTES, 0).decode("ascii", "replace").strip()
        with suppress(OSError):  # another user's file: the lock is ours, the words are not
            os.ftruncate(file, 0)
            os.pwrite(file, holder_line(self._claim.command).encode("ascii", "replace"), 0)
        return None

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _opened(file: Path) -> int:
    """The file, made where there is none; another user's is opened to be locked alone."""
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except PermissionError:
        return os.open(file, os.O_RDONLY | os.O_NOFOLLOW)


def lock_file(port: str) -> Path:
    """One for each port, whatever name leads to it, in a folder that all users share."""
    folder = os.environ.get(FOLDER_VARIABLE) or _FOLDER
    name = hashlib.sha256(os.fsencode(os.path.realpath(port))).hexdigest()[:16]
    return Path(folder) / f"edgeprune-port-{name}.lock"
