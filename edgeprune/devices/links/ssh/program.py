"""Programs on a device, started over an open ssh connection, with a deadline on every wait."""

from __future__ import annotations

import contextlib
import threading
import time

from edgeprune.devices.links.pipes import OUTPUT_LIMIT_BYTES
from edgeprune.devices.links.program_faults import printed_too_much, sent_nothing, took_no_input
from edgeprune.devices.links.shell_line import STARTED, WORDS_BYTES, ending, kill_line
from edgeprune.devices.links.ssh.link import Link
from edgeprune.devices.links.ssh.login import BROKEN, odd_answers_as_errors
from edgeprune.errors import DeviceError, DeviceTimeout
from edgeprune.text.untrusted import device_says, reason_of

CHUNK_BYTES = 1 << 18  # measured best of 32 KiB to 1 MiB; paramiko cuts it into packets
_KILL_TIMEOUT_S = 5.0
_GRACE_S = 0.5
_GREETING_BYTES = 64 << 10


class Program:
    """A running program with its standard input, output and error.

    Standard error is read along the way, so that a talkative program never blocks on it, and its
    end is kept.
    """

    def __init__(self, link: Link, line: str, timeout_s: float) -> None:
        """Starts ``line``, made by ``shell_line``, and waits until its shell runs.

        Raises:
            DeviceTimeout: It did not start within ``timeout_s`` seconds.
            DeviceError: The device's login shell refused it, or the connection broke.
        """
        self._link = link
        self._words = bytearray()
        self._ahead = bytearray()
        self._shell = 0
        deadline_s = time.monotonic() + timeout_s
        with link.watched(timeout_s, "did not start a program"):
            self._session = link.session(timeout_s)
            self._session.exec_command(line)
        self._pump = threading.Thread(target=self._pump_stderr, daemon=True)
        self._pump.start()
        while (mark := STARTED.search(self._ahead)) is None:
            part = self._receive(1 << 16, deadline_s)
            if not part or len(self._ahead) > _GREETING_BYTES:
                words = self._ahead.decode(errors="replace").strip() or self._last_words()
                said = device_says(words)
                raise DeviceError(f"{link.where}: its login shell starts no program; {said}")
            self._ahead += part
        self._shell = int(mark[1])
        del self._ahead[: mark.end()]

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``.

        Raises:
            DeviceTimeout: Not all bytes were taken within ``timeout_s`` seconds.
            DeviceError: The program has ended.
        """
        deadline_s = time.monotonic() + timeout_s
        # The channel's own timeout strikes first where the program does not read; the connection
        # then lives, and can kill it. The watch is for a connection that takes nothing.
        with self._link.watched(timeout_s + _GRACE_S, "took no more input"):
            try:
                for start in range(0, len(data), CHUNK_BYTES):
                    left_s = max(0.001, deadline_s - time.monotonic())
                    self.send(data[start : start + CHUNK_BYTES], left_s)
                return
            except TimeoutError:
                pass
        self.kill()
        raise took_no_input(self._link.where, timeout_s)

    def send(self, data: bytes, timeout_s: float | None = None) -> None:
        """Sends all of ``data``, which is at most a chunk; to be called within a link's watch.

        Raises:
            TimeoutError: The program did not read for ``timeout_s`` seconds.
            DeviceError: The program has ended.
        """
        if self._session.exit_status_ready():
            raise self._ended()
        self._session.settimeout(timeout_s)
        try:
            self._session.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:  # paramiko's word for a channel that the device closed
            raise self._ended() from error

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes.

        Raises:
            DeviceTimeout: Fewer arrived within ``timeout_s`` seconds.
            DeviceError: The program ended first; the message carries its last words.
        """
        deadline_s = time.monotonic() + timeout_s
        while len(self._ahead) < size:
            part = self._receive(size - len(self._ahead), deadline_s)
            if not part:
                raise self._ended()
            self._ahead += part
        data = bytes(self._ahead[:size])
        del self._ahead[:size]
        return data

    def finish(self, timeout_s: float) -> tuple[int, str, str]:
        """Closes the program's input and waits for its end.

        Returns:
            Exit status, standard output, the end of standard error.

        Raises:
            DeviceTimeout: It ran on for more than ``timeout_s`` seconds; it was killed.
            DeviceError: The connection broke.
        """
        deadline_s = time.monotonic() + timeout_s
        try:
            with self._link.watched(max(timeout_s, 0.1), "did not take the end of input"):
                self._session.shutdown_write()
            while part := self._receive(1 << 20, deadline_s):
                self._ahead += part
                if len(self._ahead) > OUTPUT_LIMIT_BYTES:
                    raise printed_too_much(self._link.where)
            if not self._session.status_event.wait(max(0.0, deadline_s - time.monotonic())):
                raise DeviceTimeout(f"{self._link.where}: closed its output, but did not end")
        except DeviceError:
            self.kill()
            raise
        if self._session.exit_status < 0:
            raise self._ended()
        self._pump.join(1.0)
        output = self._ahead.decode(errors="replace")
        return int(self._session.exit_status), output, self._words.decode(errors="replace")

    def close(self, timeout_s: float) -> None:
        """Closes the program's input and waits for its end, killing it after ``timeout_s``."""
        if self._session.closed:
            return
        # DeviceError: either killed by finish, or the connection broke and sshd closes the pipes.
        with contextlib.suppress(DeviceError):
            self.finish(timeout_s)
        with contextlib.suppress(*BROKEN):
            self._session.close()

    def kill(self) -> None:
        """Kills the program and all that it started, over a session of its own."""
        if self._session.status_event.is_set() or not self._shell:
            return
        with (
            contextlib.suppress(DeviceError),
            self._link.watched(_KILL_TIMEOUT_S, "did not kill a program"),
        ):
            session = self._link.session(_KILL_TIMEOUT_S)
            session.exec_command(kill_line(self._shell))
            session.recv_exit_status()
            session.close()
            self._session.close()

    def _last_words(self) -> str:
        """The end of what the program printed on standard error, complete once it has ended."""
        if self._session.exit_status_ready():
            self._pump.join(1.0)
        return self._words.decode(errors="replace").strip()

    def _receive(self, size: int, deadline_s: float) -> bytes:
        """Some output; empty at its end."""
        self._session.settimeout(max(0.001, deadline_s - time.monotonic()))
        try:
            with odd_answers_as_errors():
                return bytes(self._session.recv(min(size, 1 << 20)))
        except TimeoutError as error:
            raise sent_nothing(self._link.where, self._last_words()) from error
        except BROKEN as error:
            raise self._link.broken(reason_of(error)) from error

    def _pump_stderr(self) -> None:
        """Runs in a thread of its own; ends with the channel."""
        with contextlib.suppress(*BROKEN):
            while True:
                try:
                    part = self._session.recv_stderr(1 << 16)
                except TimeoutError:  # of the reader of standard output, whose timeout is shared
                    continue
                if not part:
                    return
                self._words += part
                del self._words[:-WORDS_BYTES]

    def _ended(self) -> DeviceError:
        self._session.status_event.wait(2.0)
        code = int(self._session.exit_status)
        if code < 0:
            return self._link.broken("the device closed it")
        self._last_words()  # complete once it has ended
        return DeviceError(f"{self._link.where}: {ending(code, self._words)}")
