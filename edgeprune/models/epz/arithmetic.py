"""A binary arithmetic coder: a bit of probability p costs -log2(p) bits.

Source: Martin, "Range encoding", 1979, with 32 bits and carries kept back as in the LZMA format.
"""

from __future__ import annotations

from typing import Protocol

from edgeprune.models.epz.damage import damaged
from edgeprune.models.epz.reader import Reader

_TOP = 1 << 24
_MASK = (1 << 32) - 1
_STEP = 16  # verbatim bits go in pieces of at most this many


class Coder(Protocol):
    """What encoder and decoder share, so that one model serves both."""

    def bit(self, bit: int, probability: int) -> int:
        """Codes a bit that is 1 with ``probability`` in 4096ths, 1 to 4095.

        Returns:
            The bit; a decoder's own, whatever it was given.
        """
        ...


class Encoder:
    """Writes."""

    def __init__(self) -> None:
        self._low = 0
        self._range = _MASK
        self._held = 0  # the byte that a carry may still raise
        self._full = 0  # bytes 0xff behind it, which a carry would turn over
        self._out = bytearray()

    @property
    def byte_count(self) -> int:
        """How many a decoder has read by now, but for the 4 that it begins with."""
        return len(self._out) + self._full

    def bit(self, bit: int, probability: int) -> int:
        """See :class:`Coder`."""
        bound = (self._range >> 12) * probability
        if bit:
            self._range = bound
        else:
            self._low += bound
            self._range -= bound
        self._normalise()
        return bit

    def put(self, value: int, width: int) -> None:
        """Codes ``width`` bits of equal probability."""
        for place in range(0, width, _STEP):
            size = min(_STEP, width - place)
            self._range >>= size
            self._low += self._range * (value >> place & ((1 << size) - 1))
            self._normalise()

    def done(self) -> bytes:
        """All that was coded."""
        for _ in range(5):
            self._shift()
        return bytes(self._out[1:])  # the first is always 0, because nothing carries into it

    def _normalise(self) -> None:
        while self._range < _TOP:
            self._range = self._range << 8 & _MASK
            self._shift()

    def _shift(self) -> None:
        """Moves the top byte of ``_low`` out, once it is known whether a carry will raise it."""
        if self._low < 0xFF000000 or self._low > _MASK:
            carry = self._low >> 32
            self._out.append(self._held + carry & 0xFF)
            self._out += bytes([0xFF + carry & 0xFF]) * self._full
            self._full = 0
            self._held = self._low >> 24 & 0xFF
        else:
            self._full += 1
        self._low = (self._low & 0x00FFFFFF) << 8


class Decoder:
    """Reads; takes exactly the bytes that the encoder wrote."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._range = _MASK
        self._code = int.from_bytes(reader.exactly(4), "big")
        if self._code == _MASK:
            raise damaged("arithmetic coding that no packer writes")

    def bit(self, bit: int, probability: int) -> int:
        """See :class:`Coder`."""
        bound = (self._range >> 12) * probability
        if self._code < bound:
            self._range = bound
            bit = 1
        else:
            self._code -= bound
            self._range -= bound
            bit = 0
        if self._range < _TOP:
            self._normalise()
        return bit

    def get(self, width: int) -> int:
        """The next ``width`` bits of equal probability.

        Raises:
            ModelError: They are none that an encoder writes.
        """
        value = 0
        for place in range(0, width, _STEP):
            size = min(_STEP, width - place)
            self._range >>= size
            piece = self._code // self._range
            if piece >> size:
                raise damaged("arithmetic coding that no packer writes")
            self._code -= piece * self._range
            value |= piece << place
            self._normalise()
        return value

    def _normalise(self) -> None:
        while self._range < _TOP:
            self._range <<= 8
            self._code = self._code << 8 | self._reader.some(1)[0]
