"""An open way to one phone, on which a phone that is gone is noticed within 5 seconds."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time

from edgeprune.devices.links.adb.server import Server, read_states
from edgeprune.errors import DeviceError

BEAT_S = 1.0
"""Every so often an idle phone is asked for a sign of life."""

SILENCE_S = 3.0
"""A phone that has been asked and says nothing for so long is gone."""

_TICK_MS = 100
_TIMEOUT_S = 5.0
_STAT = b"STAT" + struct.pack("<I", 1) + b"/"
_STAT_ANSWER_BYTES = 16


class Link:
    """An open way to one phone.

    It is watched by a thread of its own. The adb server tells when it loses a phone that is
    unplugged. A phone whose network fails is told by nobody, so it is asked for the state of a
    file every second over a stream that stays open. That starts no process there, and took 0.3 ms
    of one core each time (Debian 13's adbd on a busy x86-64 machine), 0.03 % of it. Any other byte
    that moves counts as a sign of life too, as the question may have to wait behind a push.

    Attributes:
        where: The phone's name and serial number, for messages.
        serial: Its serial number.
        features: What the phone's adbd can, as ``shell_v2``.
    """

    def __init__(self, server: Server, serial: str, name: str) -> None:
        """Asks the phone for its features, and begins to watch it.

        Raises:
            DeviceError: The phone does not answer.
        """
        self.serial = serial
        self.where = serial if name in ("", serial) else f"{name} ({serial})"
        self._server = server
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._lost = ""
        self._moved_s = time.monotonic()
        self.features = set(server.ask(f"host-serial:{serial}:features", _TIMEOUT_S).split(","))
        self._beats = self.open("sync:", _TIMEOUT_S)
        self._states = server.connect("host:track-devices", _TIMEOUT_S)
        threading.Thread(target=self._watch, daemon=True).start()

    def open(self, service: str, timeout_s: float) -> socket.socket:
        """A stream to a service of the phone's, as ``exec:ls``.

        Returns:
            A socket for :meth:`close_stream` that does not block and ends with the phone.

        Raises:
            DeviceError: The phone is lost, or refused.
        """
        begun: list[socket.socket] = []

        def begin(stream: socket.socket) -> None:
            with self._lock:
                self._open.add(stream)
            begun.append(stream)
            if self._lost:  # maybe only now, and the watch has passed this stream by
                end(stream)

        try:
            stream = self._server.connect(service, timeout_s, self.serial, begin)
        except DeviceError as error:
            for stream in begun:
                self.close_stream(stream)
            if self._lost:
                raise self.broken() from error
            raise
        stream.setblocking(False)
        return stream

    def close_stream(self, stream: socket.socket) -> None:
        """Closes a stream; harmless when closed already."""
        with self._lock:
            self._open.discard(stream)
        end(stream)
        stream.close()

    def moved(self) -> None:
        """Notes that a byte came from the phone, or was taken for it."""
        self._moved_s = time.monotonic()

    def broken(self) -> DeviceError:
        """The error for a stream that ended early: the phone is lost, or its adbd closed it."""
        time.sleep(0 if self._lost else 0.2)  # the watch may be about to learn why
        reason = self._lost or "its adbd closed the stream"
        return DeviceError(f"{self.where}: the connection broke: {reason}; try again")

    def close(self) -> None:
        """Ends the watch and every stream."""
        self._lose("closed")

    def _lose(self, reason: str) -> None:
        self._lost = self._lost or reason
        with self._lock:
            for stream in self._open:
                end(stream)

    def _watch(self) -> None:
        """Runs in a thread of its own until the phone is lost or the link is closed."""
        beats, states = self._beats, self._states
        states.setblocking(False)
        poll = select.poll()
        for stream in (beats, states):
            poll.register(stream, select.POLLIN)
        listing, asked_s = bytearray(), 0.0
        try:
            while not self._lost:
                ready = {number for number, _ in poll.poll(_TICK_MS)}
                now_s = time.monotonic()
                if states.fileno() in ready:
                    self._read_states(states, listing)
                if beats.fileno() in ready:
                    if not beats.recv(4096):
                        raise OSError("its adbd closed the stream that is watched")
                    self.moved()
                    asked_s = 0.0
                if asked_s and now_s - max(asked_s, self._moved_s) > SILENCE_S:
                    raise OSError(f"no sign of life for {SILENCE_S:g} s")
                if not asked_s and now_s - self._moved_s > BEAT_S:
                    beats.send(_STAT)
                    asked_s = now_s
        except (OSError, ValueError) as error:  # ValueError: what the server says is no number
            self._lose(str(error))
        finally:
            self.close_stream(beats)
            states.close()

    def _read_states(self, states: socket.socket, listing: bytearray) -> None:
        """Takes what the server says about all of its phones: 4 hex digits, then as many bytes.

        Raises:
            OSError: The phone is not usable any more, or the server ended.
        """
        part = states.recv(1 << 16)
        if not part:
            raise OSError("the adb server ended")
        listing += part
        while len(listing) >= 4 and len(listing) >= (end := 4 + int(listing[:4], 16)):
            state = read_states(listing[4:end].decode(errors="replace")).get(self.serial, "absent")
            del listing[:end]
            if state != "device":
                raise OSError(f"adb says {state}")


def end(stream: socket.socket) -> None:
    """Ends a stream both ways, which wakes whoever waits on it; harmless when closed already."""
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)
