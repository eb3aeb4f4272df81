"""Canonical Huffman codes of at most 15 bits.

Codes of one length are consecutive numbers in the order of their symbols, as in RFC 1951, section
3.2.2, and their highest bit comes first in the stream.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeprune.models.epz.bits import BitReader, BitWriter
from edgeprune.models.epz.damage import damaged

LENGTH_LIMIT = 15

Counts = NDArray[np.int64]


def code_lengths(counts: Counts) -> Counts:
    """Lengths of an optimal prefix code whose longest code has 15 bits.

    Args:
        counts: How often each symbol occurs; up to 512 symbols.

    Returns:
        One length a symbol; 0 for a symbol that does not occur, and 1 for the only one that does.

    Source: Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman codes",
    J. ACM 37(3), 1990: package-merge.
    """
    lengths = np.zeros(len(counts), np.int64)
    used = [int(symbol) for symbol in np.flatnonzero(counts)]
    if len(used) < 2:
        lengths[used] = 1
        return lengths
    coins = sorted((int(counts[symbol]), (symbol,)) for symbol in used)
    packages: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(LENGTH_LIMIT):
        merged = sorted(coins + packages)
        packages = [
            (one[0] + two[0], one[1] + two[1])
            for one, two in zip(merged[::2], merged[1::2], strict=False)
        ]
    for _, symbols in packages[: len(used) - 1]:
        np.add.at(lengths, list(symbols), 1)
    return lengths


def codes(lengths: Counts) -> NDArray[np.uint64]:
    """The code of each symbol with its first bit lowest, ready for a :class:`BitWriter`."""
    result = np.zeros(len(lengths), np.uint64)
    code = 0
    for length in range(1, LENGTH_LIMIT + 1):
        for symbol in np.flatnonzero(lengths == length):
            result[symbol] = int(f"{code:0{length}b}"[::-1], 2)
            code += 1
        code <<= 1
    return result


def write_lengths(bits: BitWriter, lengths: Counts) -> None:
    """Appends a code: 4 bits for the first length, then steps from symbol to symbol.

    A step is the bits 1, 0 for one more, 1, 1 for one less; the bit 0 ends a symbol's steps.
    Neighbours differ little where symbols are ordered by value.
    """
    last = int(lengths[0])
    bits.put(last, 4)
    for length in lengths[1:]:
        for _ in range(abs(int(length) - last)):
            bits.put(1 if length > last else 3, 2)
        bits.put(0, 1)
        last = int(length)


def read_lengths(bits: BitReader, symbols: int) -> list[int]:
    """Reads what :func:`write_lengths` wrote.

    Raises:
        ModelError: A length is outside 0 to 15, or the code is not complete.
    """
    lengths = [bits.get(4)]
    while len(lengths) < symbols:
        last = lengths[-1]
        while bits.get(1):
            last += -1 if bits.get(1) else 1
            if not 0 <= last <= LENGTH_LIMIT:
                raise damaged("a code length outside 0 to 15")
        lengths.append(last)
    return lengths


class Decoder:
    """Decodes one code by a table of every word of its longest length.

    Attributes:
        lengths: Lengths of the symbols' words, in bits.
        only: The sole symbol, which takes no bits, or -1.
    """

    def __init__(self, lengths: list[int]) -> None:
        """Builds the table.

        Raises:
            ModelError: The code has words too few or too many: only a sole symbol, of length 1 and
                read without a bit, may leave words unused.
        """
        used = [symbol for symbol, length in enumerate(lengths) if length]
        self.lengths = lengths
        self.only = used[0] if len(used) == 1 and lengths[used[0]] == 1 else -1
        share = sum(1 << (LENGTH_LIMIT - lengths[symbol]) for symbol in used)
        if share != 1 << LENGTH_LIMIT and self.only < 0:
            raise damaged("a Huffman code that is not complete")
        self._longest = max(lengths)
        self._table: list[tuple[int, int]] = [(0, 0)] * (1 << self._longest)
        words = codes(np.array(lengths))
        for symbol in used:
            step = 1 << lengths[symbol]
            entry = (symbol, lengths[symbol])
            self._table[int(words[symbol]) :: step] = [entry] * (len(self._table) // step)

    def next(self, bits: BitReader) -> int:
        """The next symbol.

        Raises:
            ModelError: The file ends within it.
        """
        if self.only >= 0:
            return self.only
        while True:
            symbol, length = self._table[bits.held & ((1 << self._longest) - 1)]
            if length <= bits.count:
                bits.held >>= length
                bits.count -= length
                return symbol
            bits.more()
