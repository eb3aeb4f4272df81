"""The container's bytes as a decoder takes them, with their checksum."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from edgeprune.models.epz.damage import damaged
from edgeprune.models.epz.limits import CRC_BYTES, FREE_ELEMENTS, MOST_ELEMENTS_PER_BYTE

CHUNK_BYTES = 1 << 16
_KEPT_BYTES = 16  # a bit reader gives back at most this many


class Reader:
    """Reads a stream in chunks and keeps the CRC-32 of what was taken."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._buffer = b""
        self._at = 0
        self._crc = 0
        self._dropped = 0  # bytes that the buffer no longer holds
        self._charged = 0

    def _fill(self) -> None:
        """Reads on; afterwards there is a byte at ``_at``."""
        kept = max(0, self._at - _KEPT_BYTES)
        self._crc = zlib.crc32(self._buffer[:kept], self._crc)
        chunk = self._source.read(CHUNK_BYTES)
        if not chunk:
            raise damaged("it ends too early")
        self._buffer = self._buffer[kept:] + chunk
        self._at -= kept
        self._dropped += kept

    def some(self, most: int) -> bytes:
        """One to ``most`` bytes.

        Raises:
            ModelError: The file ends here.
        """
        if self._at == len(self._buffer):
            self._fill()
        data = self._buffer[self._at : self._at + most]
        self._at += len(data)
        return data

    def exactly(self, count: int) -> bytes:
        """``count`` bytes; meant for few.

        Raises:
            ModelError: The file ends before.
        """
        data = b""
        while len(data) < count:
            data += self.some(count - len(data))
        return data

    def give_back(self, count: int) -> None:
        """Takes back the last ``count`` bytes: all of the last :meth:`some`, or at most 8."""
        self._at -= count

    def number(self) -> int:
        """A number as :func:`edgeprune.models.epz.layout.number` writes it, below ``2**35``.

        Raises:
            ModelError: It is longer, or longer than it need be.
        """
        value = 0
        for place in range(5):
            byte = self.some(1)[0]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if byte == 0 and place:
                    break
                return value
        raise damaged("a number in a form that no packer writes")

    def charge(self, elements: int) -> None:
        """Counts elements about to be made that may take less than a bit each.

        Raises:
            ModelError: They are more than the bytes taken so far may stand for.
        """
        self._charged += elements
        taken = self._dropped + self._at
        if self._charged > FREE_ELEMENTS + MOST_ELEMENTS_PER_BYTE * taken:
            raise damaged("far more elements than its bytes may stand for")

    def end(self) -> None:
        """Checks the CRC-32 that ends the file.

        Raises:
            ModelError: It differs, or the file goes on.
        """
        crc = zlib.crc32(self._buffer[: self._at], self._crc)
        if self.exactly(CRC_BYTES) != crc.to_bytes(CRC_BYTES, "little"):
            raise damaged("its checksum differs")
        if self._at < len(self._buffer) or self._source.read(1):
            raise damaged("something follows its end")
