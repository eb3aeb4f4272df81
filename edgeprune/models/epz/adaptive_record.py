"""Weights under an adaptive arithmetic coder, which finds structure that fixed codes cannot use."""

from __future__ import annotations

import numpy as np

from edgeprune.models.epz.adaptive import Occupancy, Tree
from edgeprune.models.epz.arithmetic import Decoder, Encoder
from edgeprune.models.epz.bits import BitReader, BitWriter
from edgeprune.models.epz.damage import damaged
from edgeprune.models.epz.elements import Elements, Sink
from edgeprune.models.epz.layout import WeightHeader
from edgeprune.models.epz.limits import (
    CHARGED_ELEMENTS,
    FREE_ELEMENTS,
    MOST_ELEMENTS_PER_BYTE,
    ROW_LIMIT,
)
from edgeprune.models.epz.reader import Reader
from edgeprune.models.epz.symbols import Symbols

_FIELD_BITS = 12
_AHEAD = FREE_ELEMENTS - CHARGED_ELEMENTS


def encode(taken: Symbols, row: int) -> bytes | None:
    """The record's body, or None where it would stand for more elements than its bytes may.

    Args:
        taken: The elements.
        row: Elements between two of the same column; more than 4096 are counted as 4096.
    """
    bits = BitWriter()
    taken.header.write(bits)
    row = max(1, min(row, ROW_LIMIT))
    stride = _stride(taken.coded, row) if taken.header.zeros else 0
    if taken.header.zeros:
        bits.put(row - 1, _FIELD_BITS)
        bits.put(stride, _FIELD_BITS)
    occupancy, tree, coder = Occupancy(row, stride), Tree(max(1, taken.header.symbols)), Encoder()
    parts = zip(taken.symbols.tolist(), taken.tails.tolist(), taken.tail_bits.tolist(), strict=True)
    for made, flag in enumerate(taken.coded.tolist()):
        if made % CHARGED_ELEMENTS == 0 and made > _paid_for(coder):
            return None
        if taken.header.zeros:
            occupancy.code(coder, flag)
        if flag:
            symbol, tail, tail_bits = next(parts)
            tree.code(coder, symbol)
            coder.put(tail, tail_bits)
    body = bits.done() + coder.done()
    return body if taken.coded.size <= MOST_ELEMENTS_PER_BYTE * len(body) else None


def decode(reader: Reader, count: int, header: WeightHeader, bits: BitReader, sink: Sink) -> None:
    """Decodes ``count`` elements behind a record's header.

    Raises:
        ModelError: The record is damaged.
    """
    row = stride = 1
    if header.zeros:
        row, stride = bits.get(_FIELD_BITS) + 1, bits.get(_FIELD_BITS)
    bits.end()
    if not header.zeros and not header.symbols:
        raise damaged("an element where a record has zeros alone")
    occupancy, tree, coder = Occupancy(row, stride), Tree(max(1, header.symbols)), Decoder(reader)
    elements = Elements(header, sink)
    for made in range(count):
        if made % CHARGED_ELEMENTS == 0:
            reader.charge(min(CHARGED_ELEMENTS, count - made))
        if header.zeros and not occupancy.code(coder, 0):
            elements.put(0)
            continue
        if not header.symbols:
            raise damaged("an element where a record has zeros alone")
        elements.put(header.element(tree.code(coder, 0), coder))
    elements.flush()


def _paid_for(coder: Encoder) -> int:
    """Elements that a decoder, which counts over the whole file, lets this record have by now."""
    return MOST_ELEMENTS_PER_BYTE * coder.byte_count + _AHEAD


def _stride(coded: np.ndarray[tuple[int], np.dtype[np.bool_]], row: int) -> int:
    """The distance of 3 or more, below a row, at which elements most often share their fate.

    0 where none stands out. Found by the autocorrelation, which is the inverse Fourier transform of
    the power spectrum (Wiener and Khinchin).
    """
    longest = min(row - 1, ROW_LIMIT - 1, coded.size // 8)
    if longest < 3:
        return 0
    centred = coded - coded.mean()
    power = np.abs(np.fft.rfft(centred, 2 * coded.size)) ** 2
    correlation = np.fft.irfft(power)[: longest + 1]
    best = 3 + int(np.argmax(correlation[3:]))
    return best if correlation[best] > 0.02 * correlation[0] else 0
