"""An open ssh connection to a device, on which no wait is without bound."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgeprune.devices.links.ssh.login import BROKEN, disconnect, odd_answers_as_errors
from edgeprune.errors import DeviceError, DeviceTimeout
from edgeprune.text.untrusted import reason_of


class Watch:
    """Calls ``expire`` when nothing moves for ``timeout_s`` seconds.

    paramiko waits without bound in several places, for a reply or for room in the socket, so a
    pulled cable would hang it; closing the connection under it is what wakes it.
    """

    def __init__(self, timeout_s: float, expire: Callable[[], None]) -> None:
        self.expired = False
        self._timeout_s, self._expire = timeout_s, expire
        self._done = threading.Event()
        self.beat()

    def beat(self) -> None:
        """Notes progress."""
        self._due_s = time.monotonic() + self._timeout_s

    def __enter__(self) -> Watch:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _run(self) -> None:
        while not self._done.wait(max(0.0, self._due_s - time.monotonic())):
            if time.monotonic() >= self._due_s:
                self.expired = True
                self._expire()
                return


class Link:
    """An open connection to a device.

    Attributes:
        where: The device's name and address, for messages.
    """

    def __init__(self, hops: Sequence[Any], where: str) -> None:
        """``hops``: a logged-in ``paramiko.Transport`` for each host, the device's last."""
        self.where = where
        self._hops = hops

    def session(self, timeout_s: float) -> Any:
        """A fresh paramiko channel; to be called within :meth:`watched`."""
        return self._hops[-1].open_session(timeout=timeout_s)

    @contextlib.contextmanager
    def watched(self, timeout_s: float, what: str) -> Iterator[Watch]:
        """Bounds what happens inside, and turns paramiko's errors into ours.

        Raises:
            DeviceTimeout: Nothing moved for ``timeout_s`` seconds; the connection is closed.
            DeviceError: The connection broke.
        """
        with Watch(timeout_s, self.abort) as watch:
            try:
                with odd_answers_as_errors():
                    yield watch
            except (*BROKEN, DeviceError) as error:
                if watch.expired:
                    raise self._late(what, timeout_s) from error
                if isinstance(error, DeviceError):
                    raise
                raise self.broken(reason_of(error)) from error
        if watch.expired:  # paramiko drops what is sent on a closed connection, without a word
            raise self._late(what, timeout_s)

    def broken(self, reason: str) -> DeviceError:
        """The error for a lost connection; what the system says of it goes before ``reason``."""
        for hop in self._hops:
            cause = getattr(hop, "saved_exception", None)
            if isinstance(cause, OSError) and cause.strerror:
                reason = cause.strerror
        return DeviceError(f"{self.where}: the ssh connection broke: {reason}; try again")

    def _late(self, what: str, timeout_s: float) -> DeviceTimeout:
        return DeviceTimeout(f"{self.where}: {what} within {timeout_s:g} s; is it still connected?")

    def abort(self) -> None:
        """Drops the connection with everything unsent.

        Without the zero linger time the kernel would go on sending what is queued, and bytes of
        this transfer could reach the device's file while the next transfer appends to it.
        """
        with contextlib.suppress(*BROKEN):
            linger = struct.pack("ii", 1, 0)
            self._hops[0].sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def close(self) -> None:
        """Disconnects; harmless when closed already."""
        disconnect(self._hops)
