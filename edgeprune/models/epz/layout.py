"""What a ``.epz`` file is made of: its constants, and the header of a weight record.

``docs/epz.md`` is the specification; ``device_agents/portable/epz.c`` is the decoder of the device.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeprune.models.epz.bits import BitReader, BitWriter
from edgeprune.models.epz.damage import damaged
from edgeprune.models.epz.limits import CODEBOOK_LIMIT

Words = NDArray[np.uint32]


class Kind(enum.IntEnum):
    """What a record is: the low three bits of its first number, whose others are its size."""

    STORE = 0
    COPY = 1
    DEFLATE = 2
    HUFFMAN = 3
    ADAPTIVE = 4


def number(value: int) -> bytes:
    r"""LEB128: seven bits a byte, lowest first, the top bit set in all but the last.

    Source: DWARF 4, section 7.6.

    >>> number(300)
    b'\xac\x02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class BitSource(Protocol):
    """Where verbatim bits come from: a bit stream, or an arithmetic decoder."""

    def get(self, width: int) -> int:
        """The next ``width`` bits, at most 32, as a number."""
        ...


@dataclass(frozen=True)
class WeightHeader:
    """How the elements of a weight record become symbols.

    Attributes:
        width: Bytes of an element, little endian: 1, 2 or 4.
        delta: Elements are differences to their predecessor, modulo ``2**(8 * width)``.
        zeros: Elements of value 0 are coded by where they are, the others by symbols.
        escape: The last symbol stands for an element that follows verbatim.
        verbatim_bits: Low bits of an element that follow its symbol as they are.
        codebook: The other bits of each symbol but the escape, ascending, each once.
    """

    width: int
    delta: bool
    zeros: bool
    escape: bool
    verbatim_bits: int
    codebook: tuple[int, ...]

    @property
    def symbols(self) -> int:
        """Size of the alphabet of values."""
        return len(self.codebook) + self.escape

    @property
    def symbol_bits(self) -> int:
        """Bits of a codebook's entry."""
        return 8 * self.width - self.verbatim_bits

    def element(self, symbol: int, bits: BitSource) -> int:
        """The element behind a symbol; takes what follows verbatim from ``bits``.

        Raises:
            ModelError: The file ends within it.
        """
        if symbol == len(self.codebook):
            return bits.get(8 * self.width)
        top = self.codebook[symbol] << self.verbatim_bits
        return top | bits.get(self.verbatim_bits) if self.verbatim_bits else top

    def write(self, bits: BitWriter) -> None:
        """Appends the header; the codebook as differences in the cheapest Rice code.

        Source: Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979.
        """
        drop = min((_trailing_zeros(entry) for entry in self.codebook if entry), default=0)
        entries = [entry >> drop for entry in self.codebook]
        gaps = [b - a - 1 for a, b in zip([-1, *entries], entries, strict=False)]
        rice = min(range(32), key=lambda k: sum((gap >> k) + 1 + k for gap in gaps))
        bits.put(self.width.bit_length() - 1, 2)
        for flag in (self.delta, self.zeros, self.escape):
            bits.put(int(flag), 1)
        bits.put(self.verbatim_bits, 5)
        bits.put(drop, 5)
        bits.put(rice, 5)
        bits.put(len(entries), 9)
        for gap in gaps:
            quotient = gap >> rice
            while quotient:
                step = min(quotient, 32)
                bits.put((1 << step) - 1, step)
                quotient -= step
            bits.put(0, 1)
            bits.put(gap & ((1 << rice) - 1), rice)

    @classmethod
    def read(cls, bits: BitReader) -> WeightHeader:
        """Reads and checks what :meth:`write` wrote.

        Raises:
            ModelError: A field is outside its range.
        """
        width_log2 = bits.get(2)
        delta, zeros, escape = (bool(bits.get(1)) for _ in range(3))
        verbatim, drop, rice, count = bits.get(5), bits.get(5), bits.get(5), bits.get(9)
        entry_bits = (8 << width_log2) - verbatim - drop
        if width_log2 > 2 or verbatim >= 8 << width_log2 or entry_bits < 1:
            raise damaged("a weight record of no such width")
        if count > CODEBOOK_LIMIT:
            raise damaged(f"a codebook of {count} entries, more than {CODEBOOK_LIMIT}")
        entries: list[int] = []
        last = -1
        for _ in range(count):
            last += 1
            while bits.get(1):
                last += 1 << rice
                if last >> entry_bits:
                    raise damaged("a codebook entry out of range")
            last += bits.get(rice)
            if last >> entry_bits:
                raise damaged("a codebook entry out of range")
            entries.append(last << drop)
        return cls(1 << width_log2, delta, zeros, escape, verbatim, tuple(entries))


def _trailing_zeros(value: int) -> int:
    return (value & -value).bit_length() - 1
