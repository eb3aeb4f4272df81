"""Samples files and a command's output in a thread of its own; PROTOCOL.md, "Samples"."""

from __future__ import annotations

import struct
import subprocess
import threading
import time

from edgeprune_agent.refusal import Refusal

_FILES_LIMIT = 64
_TEXT_LIMIT_BYTES = 4096
_BLOB_LIMIT_BYTES = 64 << 20
_TIME = struct.Struct("<q")
_LENGTH = struct.Struct("<i")


class Sampler:
    """Takes samples from its making until :meth:`stop`."""

    def __init__(self, files: str, command: str, period_ns: int) -> None:
        self._files = files.split("\n") if files else []
        if self._files and not self._files[-1]:
            self._files.pop()
        if len(self._files) > _FILES_LIMIT:
            raise Refusal(f"more than {_FILES_LIMIT} files cannot be sampled")
        if not self._files and not command:
            raise Refusal("neither files nor a command to sample")
        self._command = command
        self._period_ns = period_ns
        self._blob = bytearray()
        self._is_full = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._take_all, daemon=True)
        self._thread.start()

    def stop(self) -> bytes:
        """Ends it; the samples.

        Raises:
            Refusal: There was no room for all of them.
        """
        self._end.set()
        self._thread.join()
        if self._is_full:
            raise Refusal("there is no room for more samples: sample for a shorter time")
        return bytes(self._blob)

    def _take_all(self) -> None:
        next_ns = time.monotonic_ns()
        while True:
            sample = self._take()
            if len(self._blob) + len(sample) > _BLOB_LIMIT_BYTES:
                self._is_full = True
                return
            self._blob += sample
            now_ns = time.monotonic_ns()
            next_ns += self._period_ns
            if next_ns < now_ns:  # reading took longer than a period: leave out what was missed
                next_ns += ((now_ns - next_ns) // self._period_ns + 1) * self._period_ns
            if self._end.wait((next_ns - now_ns) / 1e9):
                return

    def _take(self) -> bytes:
        """One sample: the middle of the time that reading took, then what was read."""
        begin_ns = time.monotonic_ns()
        texts = [_read_file(path) for path in self._files]
        if self._command:
            texts.append(_read_command(self._command))
        middle_ns = begin_ns + (time.monotonic_ns() - begin_ns) // 2
        parts = [_TIME.pack(middle_ns)]
        for text in texts:
            parts += [_LENGTH.pack(-1)] if text is None else [_LENGTH.pack(len(text)), text]
        return b"".join(parts)


def _read_file(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(_TEXT_LIMIT_BYTES)
    except OSError:
        return None


def _read_command(command: str) -> bytes | None:
    argv = ["sh", "-c", f"( {command} ) </dev/null 2>/dev/null"]
    try:
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            output = process.stdout
            text = b"" if output is None else output.read(_TEXT_LIMIT_BYTES)
    except OSError:
        return None
    return text if process.returncode == 0 else None
