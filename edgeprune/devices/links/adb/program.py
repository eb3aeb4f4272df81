"""Programs on a phone, with a deadline on every wait."""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from edgeprune.devices.links.adb.link import Link, end
from edgeprune.devices.links.adb.output import (
    CLOSE_STDIN,
    HEADER,
    STDIN,
    MarkedOutput,
    Output,
    PacketOutput,
)
from edgeprune.devices.links.pipes import OUTPUT_LIMIT_BYTES
from edgeprune.devices.links.program_faults import printed_too_much, sent_nothing, took_no_input
from edgeprune.devices.links.shell_line import (
    STARTED,
    ending,
    kill_line,
    shell_line,
    shell_line_with_status,
)
from edgeprune.errors import DeviceError, DeviceTimeout
from edgeprune.text.untrusted import device_says

CHUNK_BYTES = 1 << 18  # 64 KiB take this side 1.5 times the processor time, 1 MiB no less
_GREETING_BYTES = 64 << 10
_KILL_TIMEOUT_S = 3.0
_WORDS_S = 1.0
_POLL_S = 0.1


class Program:
    """A running program with its standard input, output and error.

    A thread takes all that comes, so that a talkative program never blocks. With shell_v2 the
    three are packets of their own and the exit status is one more. Without, ``exec:`` gives a
    stream that is as clean, but has no end of input but its closing, and no status; so a mark in
    the output tells the status.
    """

    def __init__(
        self,
        link: Link,
        argv: Sequence[str],
        env: Mapping[str, str],
        timeout_s: float,
        *,
        reads_input: bool = True,
    ) -> None:
        """Starts ``argv`` and waits until its shell runs.

        Raises:
            ConfigError: A token is one that no device is sent.
            DeviceTimeout: It did not start within ``timeout_s`` seconds.
            DeviceError: The connection broke.
        """
        self._link = link
        self._packets = "shell_v2" in link.features
        self._shell = 0
        self._fault = ""
        self._news = threading.Condition()
        self._room_bytes: int | None = OUTPUT_LIMIT_BYTES
        self._ended = False
        deadline_s = time.monotonic() + timeout_s
        mark = secrets.token_hex(16)
        if self._packets:
            self._output: Output = PacketOutput()
            service = "shell,v2,raw:" + shell_line(argv, env)
        else:
            self._output = MarkedOutput(mark)
            service = "exec:" + shell_line_with_status(argv, env, mark, reads_input=reads_input)
        self._stream = link.open(service, timeout_s)
        self._pump = threading.Thread(target=self._take, daemon=True)
        self._pump.start()
        try:
            self._shell = self._started(deadline_s)
        except DeviceError:
            end(self._stream)
            raise

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``.

        Raises:
            DeviceTimeout: Not all bytes were taken within ``timeout_s`` seconds.
            DeviceError: The program has ended.
        """
        deadline_s = time.monotonic() + timeout_s
        try:
            for start in range(0, len(data), CHUNK_BYTES):
                self.send(data[start : start + CHUNK_BYTES], deadline_s - time.monotonic())
        except DeviceTimeout:
            self.kill()
            raise took_no_input(self._link.where, timeout_s) from None

    def send(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``, which is at most a chunk.

        Raises:
            DeviceTimeout: Nothing of it was taken for ``timeout_s`` seconds.
            DeviceError: The program has ended.
        """
        self._push(HEADER.pack(STDIN, len(data)) + data if self._packets else data, timeout_s)

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes.

        Raises:
            DeviceTimeout: Fewer arrived within ``timeout_s`` seconds.
            DeviceError: The program ended first; the message carries its last words.
        """
        deadline_s = time.monotonic() + timeout_s
        self._make_room(size)
        if not self._await(lambda: len(self._output.stdout) >= size, deadline_s):
            raise self._why()
        with self._news:
            data = bytes(self._output.stdout[:size])
            del self._output.stdout[:size]
            self._news.notify_all()
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
            self._end_input(max(0.1, timeout_s))
            self._await(lambda: self._over() or self._is_full(), deadline_s)
            if self._is_full() and not self._over():
                raise printed_too_much(self._link.where)
        except DeviceError:
            self.kill()
            raise
        self._await_words()
        if self._output.code is None:
            raise self._why()
        return self._output.code, _text(self._output.stdout), _text(self._output.words)

    def close(self, timeout_s: float) -> None:
        """Closes the program's input and waits for its end, killing it after ``timeout_s``."""
        if self._ended:
            return
        # DeviceError: either killed by finish, or the connection broke and adbd closes the pipes.
        with contextlib.suppress(DeviceError):
            if self._packets:
                self.finish(timeout_s)
            else:
                self._close_stream(timeout_s)
        end(self._stream)
        self._make_room(None)  # the pump may wait for some
        self._pump.join(_KILL_TIMEOUT_S)

    def kill(self) -> None:
        """Kills the program and all that it started, over a stream of its own."""
        if self._output.code is None and self._shell:
            with contextlib.suppress(DeviceError):
                self._output_of(kill_line(self._shell), _KILL_TIMEOUT_S)

    def _close_stream(self, timeout_s: float) -> None:
        """Ends the input by closing the stream, which ends the output too; then looks."""
        end(self._stream)
        end_s = time.monotonic() + timeout_s
        alive = f"kill -0 -{self._shell} 2>/dev/null && echo alive"  # adbd makes each shell a group
        while self._output.code is None and self._output_of(alive, _KILL_TIMEOUT_S):
            if time.monotonic() >= end_s:
                self.kill()
                return
            time.sleep(_POLL_S)

    def _output_of(self, line: str, timeout_s: float) -> bytes:
        """What a line of ours prints until it ends."""
        stream = self._link.open("exec:" + line, timeout_s)
        found, end_s = b"", time.monotonic() + timeout_s
        try:
            while (left_s := end_s - time.monotonic()) > 0:
                if _ready(stream, select.POLLIN, left_s):
                    part = stream.recv(4096)
                    if not part or len(found) > _GREETING_BYTES:
                        return found
                    found += part
        except OSError as error:
            raise self._link.broken() from error
        finally:
            self._link.close_stream(stream)
        raise DeviceTimeout(f"{self._link.where}: its shell does not answer")

    def _started(self, deadline_s: float) -> int:
        """The number of the program's shell, once it says so."""
        found: list[int] = []

        def has_status() -> bool:
            mark = STARTED.search(self._output.stdout, 0, _GREETING_BYTES)
            if mark:
                found.append(int(mark[1]))
                del self._output.stdout[: mark.end()]
            return bool(found)

        if not self._await(has_status, deadline_s):
            words = _text(self._output.stdout + self._output.words).strip()
            if self._output.code is None or not words:
                raise self._why()
            said = device_says(words)
            raise DeviceError(f"{self._link.where}: its shell starts no program; {said}")
        return found[0]

    def _end_input(self, timeout_s: float) -> None:
        """Says that no more input comes, to a program that still runs."""
        if not self._packets or self._over():
            return
        try:
            self._push(HEADER.pack(CLOSE_STDIN, 0), timeout_s)
        except DeviceError:
            if not self._over():  # else it ended meanwhile, and needs no input
                raise

    def _push(self, data: bytes, timeout_s: float) -> None:
        """Sends bytes of the stream."""
        view, deadline_s = memoryview(data), time.monotonic() + timeout_s
        while view:
            if self._over():
                raise self._why()
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise DeviceTimeout(f"{self._link.where}: took no bytes within {timeout_s:g} s")
            try:
                if _ready(self._stream, select.POLLOUT, min(left_s, _POLL_S)):
                    view = view[self._stream.send(view) :]
                    self._link.moved()
            except BlockingIOError:
                continue
            except (OSError, ValueError) as error:  # ValueError: it was closed just now
                raise self._why() from error

    def _take(self) -> None:
        """Runs in a thread of its own; ends with the stream, which it closes."""
        stream = self._stream
        while not self._ended:
            with self._news:  # what nobody reads is left to the kernel and to the device
                self._news.wait_for(lambda: not self._is_full())
            try:
                _ready(stream, select.POLLIN, None)
                part = stream.recv(1 << 18)
            except BlockingIOError:
                continue
            except OSError:
                part = b""
            with self._news:
                try:
                    if part:
                        self._link.moved()
                        self._output.feed(part)
                except DeviceError as error:
                    self._fault = str(error)
                self._ended = not part or bool(self._fault)
                self._news.notify_all()
        self._link.close_stream(stream)

    def _is_full(self) -> bool:
        return self._room_bytes is not None and len(self._output.stdout) >= self._room_bytes

    def _make_room(self, size: int | None) -> None:
        """Lets so many bytes of output come before they are read; None for as many as come."""
        with self._news:
            self._room_bytes = None if size is None else max(size, OUTPUT_LIMIT_BYTES)
            self._news.notify_all()

    def _over(self) -> bool:
        return self._ended or bool(self._fault) or self._output.code is not None

    def _await(self, have: Callable[[], bool], deadline_s: float) -> bool:
        """Waits for something to have come; False if the program ended without."""
        with self._news:
            left_s = max(0.0, deadline_s - time.monotonic())
            self._news.wait_for(lambda: have() or self._over(), left_s)
            if have():
                return True
            if self._over():
                return False
        raise sent_nothing(self._link.where, _text(self._output.words).strip())

    def _await_words(self) -> None:
        """Waits for the complaints that may come after the status."""
        with self._news:
            self._news.wait_for(lambda: self._output.complete or self._ended, _WORDS_S)

    def _why(self) -> DeviceError:
        """Why no more comes."""
        if self._fault:
            return DeviceError(f"{self._link.where}: {self._fault}; try again")
        if self._output.code is None:
            return self._link.broken()
        self._await_words()
        return DeviceError(f"{self._link.where}: {ending(self._output.code, self._output.words)}")


def _ready(stream: socket.socket, event: int, timeout_s: float | None) -> bool:
    """Whether a socket may be read or written, or has ended, within ``timeout_s`` seconds."""
    poll = select.poll()
    poll.register(stream, event)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


def _text(data: bytes | bytearray) -> str:
    return data.decode(errors="replace")
