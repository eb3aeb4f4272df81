"""Bits in bytes, lowest bit first, as DEFLATE has them (RFC 1951, section 3.1.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeprune.models.epz.damage import damaged
from edgeprune.models.epz.reader import Reader


class BitWriter:
    """Collects numbers of up to 32 bits each."""

    def __init__(self) -> None:
        self._values: list[NDArray[np.uint64]] = []
        self._widths: list[NDArray[np.int64]] = []
        self._few: list[tuple[int, int]] = []

    def put(self, value: int, width: int) -> None:
        """Appends the low ``width`` bits of ``value``, lowest first."""
        self._few.append((value, width))

    def put_many(self, values: NDArray[np.uint64], widths: NDArray[np.int64]) -> None:
        """Appends many numbers; both arrays are flat and equally long."""
        self._settle()
        self._values.append(values)
        self._widths.append(widths)

    def done(self) -> bytes:
        """All that was put, the last byte filled with zero bits."""
        self._settle()
        values, widths = np.concatenate(self._values), np.concatenate(self._widths)
        out = np.zeros(int(widths.sum()), np.uint8)
        starts = np.cumsum(widths) - widths
        for bit in range(int(widths.max(initial=0))):
            has = widths > bit
            out[starts[has] + bit] = (values[has] >> np.uint64(bit)) & np.uint64(1)
        return np.packbits(out, bitorder="little").tobytes()

    def _settle(self) -> None:
        few = np.array(self._few, np.uint64).reshape(-1, 2)
        self._values.append(few[:, 0])
        self._widths.append(few[:, 1].astype(np.int64))
        self._few = []


class BitReader:
    """Takes numbers of bits out of a :class:`Reader`, which gets whole bytes back at the end.

    Attributes:
        held: Bits that were read and not yet taken, the next one lowest.
        count: How many those are.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.held = 0
        self.count = 0

    def get(self, width: int) -> int:
        """The next ``width`` bits as a number, lowest first.

        Raises:
            ModelError: The file ends before.
        """
        while self.count < width:
            self.more()
        value = self.held & ((1 << width) - 1)
        self.held >>= width
        self.count -= width
        return value

    def more(self) -> None:
        """Reads on by 1 to 8 bytes.

        Raises:
            ModelError: The file ends here.
        """
        data = self._reader.some(8)
        self.held |= int.from_bytes(data, "little") << self.count
        self.count += 8 * len(data)

    def end(self) -> None:
        """Gives back what was not taken, up to the bits that fill the last byte.

        Raises:
            ModelError: Those are not zero.
        """
        if self.get(self.count % 8):
            raise damaged("a record that is filled with ones")
        self._reader.give_back(self.count // 8)
        self.held = self.count = 0
