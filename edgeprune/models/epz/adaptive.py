"""Probabilities of single bits that learn from the bits before them.

All arithmetic is on integers, so that host and device agree to the bit.
"""

from __future__ import annotations

import math

from edgeprune.models.epz.arithmetic import Coder
from edgeprune.models.epz.damage import damaged

COUNT_LIMIT = 127
RATES = [65536 * 2 // (2 * count + 3) for count in range(COUNT_LIMIT + 1)]
"""Share of an error, in 65536ths, by which a probability moves after that many bits: it is nearly
the mean of what was seen, and at last of the latest 128."""

KNOTS = [round(4096 / (1 + math.exp(-x / 2))) for x in range(-16, 17)]
_RING = 8192  # a power of two beyond the farthest neighbour
_FIRST_WEIGHT = 26214  # 0.4: three opinions that agree in part


def squash(x: int) -> int:
    """The logistic function: a probability in 4096ths of ``x`` in 256ths, straight between knots.

    >>> squash(0), squash(256), squash(-5000)
    (2048, 2994, 1)
    """
    x = max(-2047, min(2047, x)) + 2048
    low, high = KNOTS[x >> 7], KNOTS[(x >> 7) + 1]
    return max(1, min(4095, low + ((high - low) * (x & 127) >> 7)))


def _stretches() -> list[int]:
    """The inverse of :func:`squash`, for 0 to 4095: the least x that reaches a probability."""
    table = []
    x = -2047
    for probability in range(4096):
        while x < 2047 and squash(x) < probability:
            x += 1
        table.append(x)
    return table


STRETCH = _stretches()


class Bits:
    """Probabilities that a bit is 1, in 65536ths, one a context."""

    def __init__(self, contexts: int) -> None:
        self.p = [32768] * contexts
        self._seen = [0] * contexts

    def learn(self, context: int, bit: int) -> None:
        """Moves a context's probability towards a bit that was seen there."""
        seen = self._seen[context]
        p = self.p[context]
        if bit:
            self.p[context] = p + ((65535 - p) * RATES[seen] >> 16)
        else:
            self.p[context] = p - (p * RATES[seen] >> 16)
        if seen < COUNT_LIMIT:
            self._seen[context] = seen + 1

    def reset(self, context: int) -> None:
        """Forgets what a context has seen."""
        self.p[context], self._seen[context] = 32768, 0


class Occupancy:
    """Codes which elements are not zero, out of three opinions.

    They are that of the column (a pixel at the rim is of no use to any neuron), that of the row so
    far (a neuron has many weights or few), and that of five neighbours: the two elements before,
    and three around the one ``stride`` before, which is the pixel above.

    Source of the mixing of opinions in the logistic domain: Mahoney, "Adaptive weighing of context
    models for lossless data compression", Florida Tech. CS-2005-16, 2005.
    """

    def __init__(self, row: int, stride: int) -> None:
        self._row = row
        self._distances = [max(0, d) for d in (1, 2, stride - 1, stride, stride + 1)]
        self._columns, self._rows, self._neighbours = Bits(row), Bits(1), Bits(32)
        self._weights = [_FIRST_WEIGHT] * 3
        self._ring = bytearray(_RING)
        self._at = 0
        self._column = 0

    def code(self, coder: Coder, bit: int) -> int:
        """Codes one element's flag; a decoder ignores ``bit`` and returns what was coded."""
        ring, at, column = self._ring, self._at, self._column
        if column == 0:
            self._rows.reset(0)
        near = 0
        for place, distance in enumerate(self._distances):
            if distance and ring[at - distance & _RING - 1]:
                near |= 1 << place
        t0 = STRETCH[self._columns.p[column] >> 4]
        t1 = STRETCH[self._rows.p[0] >> 4]
        t2 = STRETCH[self._neighbours.p[near] >> 4]
        w0, w1, w2 = self._weights
        p = squash(w0 * t0 + w1 * t1 + w2 * t2 >> 16)
        bit = coder.bit(bit, p)
        error = (bit << 12) - p
        self._weights = [
            w0 + (t0 * error + 512 >> 10),
            w1 + (t1 * error + 512 >> 10),
            w2 + (t2 * error + 512 >> 10),
        ]
        self._columns.learn(column, bit)
        self._rows.learn(0, bit)
        self._neighbours.learn(near, bit)
        ring[at & _RING - 1] = bit
        self._at = at + 1
        self._column = column + 1 if column + 1 < self._row else 0
        return bit


class Tree:
    """Codes symbols of an alphabet, bit by bit from the highest; every prefix is a context."""

    def __init__(self, symbols: int) -> None:
        self._symbols = symbols
        self._depth = (symbols - 1).bit_length()
        self._bits = Bits(1 << self._depth)

    def code(self, coder: Coder, symbol: int) -> int:
        """Codes one symbol; a decoder ignores ``symbol`` and returns what was coded.

        Raises:
            ModelError: What was decoded is no symbol.
        """
        node = 1
        for place in range(self._depth - 1, -1, -1):
            p = max(1, min(4095, self._bits.p[node] >> 4))
            bit = coder.bit(symbol >> place & 1, p)
            self._bits.learn(node, bit)
            node = node << 1 | bit
        found = node - (1 << self._depth)
        if found >= self._symbols:
            raise damaged("a symbol outside its alphabet")
        return found
