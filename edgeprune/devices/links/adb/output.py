"""What comes back from a phone's program, taken apart: output, complaints, exit status."""

from __future__ import annotations

import abc
import re
import struct

from edgeprune.devices.links.shell_line import WORDS_BYTES
from edgeprune.errors import DeviceError

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
"""Kinds of packet. Source: AOSP packages/modules/adb, shell_protocol.h, ShellProtocol::Id."""

HEADER = struct.Struct("<BI")
"""Kind and length of a packet."""

_PACKET_LIMIT_BYTES = 2 << 20  # adbd's own limit is 1 MiB


class Output(abc.ABC):
    """Takes a stream of bytes apart.

    Attributes:
        stdout: Standard output that nobody has taken yet.
        words: The end of standard error.
        code: Exit status, once it has come.
        complete: Whether nothing more is to come.
    """

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.words = bytearray()
        self.code: int | None = None
        self.complete = False
        self._ahead = bytearray()

    @abc.abstractmethod
    def feed(self, part: bytes) -> None:
        """Takes what has arrived.

        Raises:
            DeviceError: It is not what an adbd sends.
        """


class PacketOutput(Output):
    """The packets of shell_v2."""

    def feed(self, part: bytes) -> None:
        """Takes what has arrived."""
        self._ahead += part
        while len(self._ahead) >= HEADER.size:
            kind, size = HEADER.unpack_from(self._ahead)
            if kind not in (STDOUT, STDERR, EXIT) or size > _PACKET_LIMIT_BYTES:
                raise DeviceError(f"adbd sent a shell packet of kind {kind} with {size} bytes")
            end = HEADER.size + size
            if len(self._ahead) < end:
                return
            data = self._ahead[HEADER.size : end]
            del self._ahead[:end]
            if kind == STDOUT:
                self.stdout += data
            elif kind == STDERR:
                self.words += data
                del self.words[:-WORDS_BYTES]
            else:
                self.code = data[0] if data else 255
                self.complete = True


class MarkedOutput(Output):
    """The one stream of :func:`edgeprune.devices.links.shell_line.shell_line_with_status`."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self._mark = mark.encode()

    def feed(self, part: bytes) -> None:
        """Takes what has arrived; what may be the beginning of the mark is held back."""
        if self.code is not None:
            self._take_words(part)
            return
        self._ahead += part
        match = re.search(self._mark + rb"([0-9]{1,3})\n", self._ahead)
        if match:
            self.code = int(match[1])
            self.stdout += self._ahead[: match.start()]
            self._take_words(self._ahead[match.end() :])
            self._ahead.clear()
            return
        at = self._ahead.find(self._mark)
        if at >= 0 and len(self._ahead) >= at + len(self._mark) + len("255\n"):
            raise DeviceError("the device's shell sent no exit status")
        safe = at if at >= 0 else len(self._ahead) - self._begun()
        self.stdout += self._ahead[:safe]
        del self._ahead[:safe]

    def _take_words(self, part: bytes | bytearray) -> None:
        if self.complete:
            return
        self.words += part
        if self.words.endswith(self._mark):
            del self.words[-len(self._mark) :]
            self.complete = True

    def _begun(self) -> int:
        """How many of the last bytes are a beginning of the mark."""
        longest = min(len(self._mark), len(self._ahead))
        return next((n for n in range(longest, 0, -1) if self._ahead.endswith(self._mark[:n])), 0)
