"""The parent's end of the pipes to a child: no wait without a deadline, nothing without a bound."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence

from edgeprune.sandbox.messages import ANSWER, BLOB, HEAD, MAX_MESSAGE_BYTES, MESSAGE

_CHUNK_BYTES = 1 << 20
_LAST_WORDS_BYTES = 4096


class Pipe:
    """Sends while it receives, and keeps the end of what the child prints.

    Args:
        process: The child.
        printed: Takes each line that it prints.
    """

    def __init__(self, process: subprocess.Popen[bytes], printed: Callable[[str], None]) -> None:
        pipes = (process.stdin, process.stdout, process.stderr)
        self._process = process
        self._in, self._out, self._error = (p.fileno() for p in pipes if p is not None)
        self._printed = printed
        self._words = b""
        self._line = b""
        self._to_send: list[memoryview] = []
        self._selector = selectors.DefaultSelector()
        for handle in (self._in, self._out, self._error):
            os.set_blocking(handle, False)
        self._selector.register(self._out, selectors.EVENT_READ)
        self._selector.register(self._error, selectors.EVENT_READ)

    def send(self, parts: Sequence[bytes]) -> None:
        """Sends these, one behind the other, beside whatever is received from now on."""
        self._to_send = [memoryview(part) for part in parts if part]
        self._selector.register(self._in, selectors.EVENT_WRITE)

    def frame(self, answer_bytes: int, deadline_s: float) -> tuple[bytes, bytearray]:
        """The next frame: its kind, and what it holds.

        Args:
            answer_bytes: Most that the answer, or a file of it, may hold.
            deadline_s: On the monotonic clock; for the whole frame.

        Raises:
            TimeoutError: It is not there in time.
            EOFError: The child has ended.
            ValueError: It is larger than its kind may be, or of no kind.
        """
        kind, size = HEAD.unpack(self._read(HEAD.size, deadline_s))
        limit = {ANSWER: answer_bytes, BLOB: answer_bytes, MESSAGE: MAX_MESSAGE_BYTES}.get(kind)
        if limit is None:
            raise ValueError(f"a frame of kind {kind!r}")
        if size > limit:
            raise ValueError(f"{size:,} bytes, more than the limit of {limit:,}")
        return kind, self._read(size, deadline_s)

    def last_words(self) -> str:
        """The end of what the child printed."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._error, _CHUNK_BYTES):
                self._keep(part)
        return self._words.decode("utf-8", "replace")

    def exit_code(self, timeout_s: float) -> int | None:
        """What the child ended with; None if it has not, though it closed its pipes."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout_s)
        return None

    def _read(self, size: int, deadline_s: float) -> bytearray:
        data = bytearray()
        while len(data) < size:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            for key, _ in self._selector.select(left_s):
                if key.fd == self._in:
                    self._write()
                elif key.fd == self._error:
                    self._listen()
                else:
                    part = os.read(self._out, min(size - len(data), _CHUNK_BYTES))
                    if not part:
                        raise EOFError
                    data += part
        return data

    def _write(self) -> None:
        first = self._to_send[0]
        try:
            first = first[os.write(self._in, first[:_CHUNK_BYTES]) :]
        except BrokenPipeError:  # what became of the child is read from its other pipes
            self._to_send = []
        else:
            self._to_send[:1] = [first] if first else []
        if not self._to_send:
            # Left open: the child takes its closing for this process's end.
            self._selector.unregister(self._in)

    def _listen(self) -> None:
        part = os.read(self._error, _CHUNK_BYTES)
        if part:
            self._keep(part)
        else:
            self._selector.unregister(self._error)

    def _keep(self, part: bytes) -> None:
        self._words = (self._words + part)[-_LAST_WORDS_BYTES:]
        *lines, self._line = (self._line + part).split(b"\n")
        self._line = self._line[:_LAST_WORDS_BYTES]
        for line in lines:
            self._printed(line[:_LAST_WORDS_BYTES].decode("utf-8", "replace"))
