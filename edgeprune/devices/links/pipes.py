"""Programs on this machine, talked to through pipes, with a deadline on every wait."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeprune.errors import DeviceError, DeviceTimeout, DiskFull
from edgeprune.text.untrusted import device_says

OUTPUT_LIMIT_BYTES = 4 << 20
"""Of a command on a device that runs to its end. Source: ours; listing a board's sensors takes some
100 KiB."""

_LAST_WORDS_BYTES = 64 << 10
_CHUNK_BYTES = 1 << 20
_TAKES = 64
"""Chunks that are thrown away at once: a program may write faster than we read."""

_END_S = 5.0
"""After a kill; what the kernel holds in a system call ends later, and nobody waits for it."""


class Child:
    """A running program with its standard input, output and error as pipes.

    It leads a process group of its own, which is killed as a whole. Standard error is read along
    the way, so that a talkative program never blocks on it, and its end is kept.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], *, inherits: bool = True
    ) -> None:
        """Starts ``argv`` with ``env`` beside this process's own environment.

        Args:
            argv: Program and arguments.
            env: Variables set for it.
            inherits: Whether it sees this process's own environment too.

        Raises:
            DeviceError: It cannot be started.
        """
        self._name = os.path.basename(argv[0])
        self._words = bytearray()
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**(os.environ if inherits else {}), **env},
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise DeviceError(f"{argv[0]} cannot be started: {error}") from error
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = (p.fileno() for p in pipes if p is not None)
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe, False)
        self._open = {self._stdin, self._stdout, self._stderr}

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``.

        Raises:
            DeviceTimeout: Not all bytes were taken within ``timeout_s`` seconds.
            DeviceError: The program has ended.
        """
        deadline_s = time.monotonic() + timeout_s
        left = memoryview(data)
        while left:
            self._wait(self._stdin, selectors.EVENT_WRITE, deadline_s, "took no more input")
            try:
                left = left[os.write(self._stdin, left[:_CHUNK_BYTES]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise self._ended() from error

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes.

        Raises:
            DeviceTimeout: Fewer arrived within ``timeout_s`` seconds.
            DeviceError: The program ended first.
        """
        deadline_s = time.monotonic() + timeout_s
        data = bytearray()
        while len(data) < size:
            self._wait(self._stdout, selectors.EVENT_READ, deadline_s, "sent nothing")
            part = self._take(self._stdout, min(size - len(data), _CHUNK_BYTES))
            if part == b"":
                raise self._ended()
            data += part or b""
        return bytes(data)

    def close(self, timeout_s: float) -> int:
        """Closes the program's input, waits for its end, and kills it after ``timeout_s`` seconds.

        Returns:
            Its exit status, negative if a signal ended it.
        """
        self._shut(self._stdin)
        deadline_s = time.monotonic() + timeout_s
        while self._process.poll() is None and time.monotonic() < deadline_s:
            self._drain(until_s=min(deadline_s, time.monotonic() + 0.02))
        self.kill()
        for pipe in (self._stdout, self._stderr):
            self._shut(pipe)
        code = self._process.poll()
        return -signal.SIGKILL if code is None else code

    def finish(self, timeout_s: float) -> tuple[int, str, str]:
        """Closes the program's input, and takes its output until it ends.

        Returns:
            Exit status, standard output, the end of standard error.

        Raises:
            DeviceTimeout: It ran longer than ``timeout_s`` seconds; it was killed.
            DeviceError: It printed too much; it was killed.
        """
        self._shut(self._stdin)
        deadline_s = time.monotonic() + timeout_s
        output = bytearray()
        try:
            while part := self._some_output(deadline_s):
                output += part
                if len(output) > OUTPUT_LIMIT_BYTES:
                    limit = f"{OUTPUT_LIMIT_BYTES >> 20} MiB"
                    raise DeviceError(f"{self._name} printed more than {limit}: killed")
            code = self._process.wait(max(0.0, deadline_s - time.monotonic()))
        except (DeviceTimeout, subprocess.TimeoutExpired) as error:
            raise DeviceTimeout(f"{self._name} ran longer than {timeout_s:g} s: killed") from error
        finally:
            self.kill()
            words = self.last_words()
            for pipe in (self._stdout, self._stderr):
                self._shut(pipe)
        return code, output.decode(errors="replace"), words

    def _some_output(self, deadline_s: float) -> bytes:
        """What is there; empty at its end."""
        while True:
            self._wait(self._stdout, selectors.EVENT_READ, deadline_s, "sent nothing")
            part = self._take(self._stdout, _CHUNK_BYTES)
            if part is not None:
                return part

    def kill(self) -> None:
        """Kills the program and all that it started."""
        if self._process.poll() is None:  # else the group's number may belong to others by now
            os.killpg(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)

    def last_words(self) -> str:
        """The end of what the program printed on standard error."""
        for _ in range(_TAKES):
            if self._stderr not in self._open or not self._take_words():
                break
        return self._words.decode(errors="replace").strip()

    def _wait(self, pipe: int, event: int, deadline_s: float, what: str) -> None:
        """Waits until ``pipe`` is ready, reading standard error meanwhile."""
        if pipe not in self._open:
            raise self._ended()
        while True:
            with selectors.PollSelector() as selector:
                selector.register(pipe, event)
                if self._stderr in self._open:
                    selector.register(self._stderr, selectors.EVENT_READ)
                ready = {
                    key.fd for key, _ in selector.select(max(0, deadline_s - time.monotonic()))
                }
            if self._stderr in ready:
                self._take_words()
            if pipe in ready:
                return
            if time.monotonic() >= deadline_s:
                words = self._words.decode(errors="replace").strip()
                said = f"; {device_says(words)}" if words else ""
                raise DeviceTimeout(f"{self._name} {what} in time{said}")

    def _drain(self, until_s: float) -> None:
        """Throws away output, so that a program that still writes can come to its end."""
        time.sleep(max(0, until_s - time.monotonic()))
        for _ in range(_TAKES):
            if self._stdout not in self._open or not self._take(self._stdout, _CHUNK_BYTES):
                break
        self.last_words()

    def _take(self, pipe: int, size: int) -> bytes | None:
        """Up to ``size`` bytes; None if there are none now, empty if there will be none."""
        try:
            return os.read(pipe, size)
        except BlockingIOError:
            return None

    def _take_words(self) -> bool:
        part = self._take(self._stderr, 1 << 16)
        if part == b"":
            self._open.discard(self._stderr)
        self._words += part or b""
        del self._words[:-_LAST_WORDS_BYTES]
        return bool(part)

    def _shut(self, pipe: int) -> None:
        self._open.discard(pipe)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None and not stream.closed and stream.fileno() == pipe:
                stream.close()

    def _ended(self) -> DeviceError:
        try:
            code: int | None = self._process.wait(2)
        except subprocess.TimeoutExpired:
            code = None
        how = "closed its output" if code is None else f"ended with status {code}"
        if code is not None and code < 0:
            how = f"was ended by {_signal_name(-code)}"
        return DeviceError(f"{self._name} {how}; {device_says(self.last_words())}")


def _signal_name(number: int) -> str:
    """As ``SIGKILL``; most of the real-time ones have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def append_file(source: Path, target: Path, offset: int) -> None:
    """Appends ``source`` from byte ``offset`` on to ``target``, which is made if it is missing.

    Raises:
        DiskFull: The file system has no room.
        DeviceError: A file cannot be read or written.
    """
    try:
        with source.open("rb") as reader, target.open("ab") as writer:
            reader.seek(offset)
            shutil.copyfileobj(reader, writer)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no room for {target}: {error.strerror}") from error
        raise DeviceError(f"{source} cannot be copied to {target}: {error}") from error


def run_to_end(
    argv: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Runs a program to its end.

    Returns:
        Exit status, standard output, the end of standard error.

    Raises:
        DeviceTimeout: It ran longer than ``timeout_s`` seconds; it was killed with its children.
        DeviceError: It cannot be started, or printed too much.
    """
    return Child(argv, env or {}).finish(timeout_s)
