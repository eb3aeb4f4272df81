"""Weights as Huffman codes of gaps and codebook indices: Deep Compression's format.

A gap is the number of zeros before an element; a filler symbol stands for as many zeros as its own
number, without an element behind them.

Source: Han, Mao, Dally, "Deep Compression", ICLR 2016, section 2 and figure 2 (relative indices,
fillers for long gaps), section 4 (Huffman coding of both).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeprune.models.epz import huffman
from edgeprune.models.epz.bits import BitReader, BitWriter
from edgeprune.models.epz.damage import damaged
from edgeprune.models.epz.elements import Elements, Sink
from edgeprune.models.epz.layout import WeightHeader
from edgeprune.models.epz.symbols import Symbols

_FILLERS = (7, 15, 31, 63, 127, 255)

Numbers = NDArray[np.int64]


def encode(taken: Symbols) -> bytes:
    """The record's body."""
    bits = BitWriter()
    taken.header.write(bits)
    fillers: Numbers = np.zeros(taken.symbols.size, np.int64)
    gaps, gap_lengths, filler = fillers, np.zeros(1, np.int64), 1
    rest = 0
    if taken.header.zeros:
        places = np.flatnonzero(taken.coded)
        gaps = np.diff(places, prepend=-1) - 1
        rest = taken.coded.size - (int(places[-1]) + 1 if places.size else 0)
        filler = min(_FILLERS, key=lambda choice: _entropy_bits(_gap_counts(gaps, rest, choice)))
        gap_lengths = huffman.code_lengths(_gap_counts(gaps, rest, filler))
        bits.put(filler, 8)
        huffman.write_lengths(bits, gap_lengths)
        fillers, gaps = gaps // filler, gaps % filler
    lengths = huffman.code_lengths(np.bincount(taken.symbols, minlength=taken.header.symbols))
    if lengths.size:
        huffman.write_lengths(bits, lengths)
    gap_code, code = _Code(gap_lengths), _Code(lengths)
    starts = np.cumsum(fillers + 3) - 3  # of an element's last gap, symbol and tail
    values = np.full(int((fillers + 3).sum()), gap_code.words[-1], np.uint64)
    widths = np.full(values.size, gap_code.widths[-1], np.int64)
    parts = (
        (gap_code.words[gaps], gap_code.widths[gaps]),
        (code.words[taken.symbols], code.widths[taken.symbols]),
        (taken.tails, taken.tail_bits),
    )
    for place, (words, sizes) in enumerate(parts):
        values[starts + place], widths[starts + place] = words, sizes
    bits.put_many(values, widths)
    for gap in _last_gaps(rest, filler):
        bits.put(int(gap_code.words[gap]), int(gap_code.widths[gap]))
    return bits.done()


class _Code:
    """Words and their widths; a sole symbol takes no bits."""

    def __init__(self, lengths: Numbers) -> None:
        self.words = huffman.codes(lengths)
        self.widths = lengths * (np.count_nonzero(lengths) > 1)


def _gap_counts(gaps: Numbers, rest: int, filler: int) -> Numbers:
    counts = np.bincount(gaps % filler, minlength=filler + 1)
    counts[filler] += int((gaps // filler).sum())
    for gap in _last_gaps(rest, filler):
        counts[gap] += 1
    return counts


def _last_gaps(rest: int, filler: int) -> list[int]:
    """The gap symbols of zeros that no element follows."""
    return [filler] * (rest // filler) + [rest % filler] * (rest % filler > 0)


def _entropy_bits(counts: Numbers) -> float:
    used = counts[counts > 0]
    return float(-(used * np.log2(used / used.sum())).sum())


def decode(count: int, header: WeightHeader, bits: BitReader, sink: Sink) -> None:
    """Decodes ``count`` elements behind a record's header.

    Raises:
        ModelError: The record is damaged.
    """
    filler, gap_code = 0, None
    if header.zeros:
        filler = bits.get(8)
        if filler == 0:
            raise damaged("a filler of no zeros")
        gap_code = huffman.Decoder(huffman.read_lengths(bits, filler + 1))
    code = huffman.Decoder(huffman.read_lengths(bits, header.symbols)) if header.symbols else None
    elements = Elements(header, sink)
    made = _repeated(count, header, gap_code, code, elements)
    while made < count:
        if gap_code is not None:
            gap = gap_code.next(bits)
            made += gap
            if made > count:
                raise damaged("more zeros than a record has elements")
            elements.zeros(gap)
            if gap == filler or made == count:
                continue
        if code is None:
            raise damaged("an element where a record has zeros alone")
        elements.put(header.element(code.next(bits), bits))
        made += 1
    elements.flush()
    bits.end()


def _repeated(
    count: int,
    header: WeightHeader,
    gap_code: huffman.Decoder | None,
    code: huffman.Decoder | None,
    elements: Elements,
) -> int:
    """Makes elements that take no bits at all, many at a time: all codes have a sole symbol.

    Else a file of a few bytes could keep the decoder busy for hours.

    Returns:
        How many were made: 0, or all but those that a gap at the end may cut.
    """
    gap = 0 if gap_code is None else gap_code.only
    symbol = len(header.codebook) if code is None else code.only
    is_filler = gap_code is not None and gap == len(gap_code.lengths) - 1
    if gap < 0 or (
        not is_filler and (symbol in (-1, len(header.codebook)) or header.verbatim_bits)
    ):
        return 0
    block = [0] * gap
    if not is_filler:
        block.append(header.codebook[symbol])
    times = count // len(block)
    elements.repeat(block, times)
    return times * len(block)
