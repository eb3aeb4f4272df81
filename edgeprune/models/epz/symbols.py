"""Elements of weights as symbols of a small alphabet, places of zeros, and verbatim bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeprune.models.epz.cut import Range
from edgeprune.models.epz.layout import WeightHeader, Words
from edgeprune.models.epz.limits import CODEBOOK_LIMIT

_VERBATIM_BITS = {1: (0,), 2: (0, 8, 10), 4: (0, 8, 16, 23)}
"""Ways to cut an element: whole; whole bytes; sign and exponent of IEEE 754 binary16, binary32."""


@dataclass(frozen=True)
class Symbols:
    """One record's elements, taken apart.

    Attributes:
        header: How they were.
        coded: Per element whether it has a symbol; all True without ``header.zeros``.
        symbols: Per coded element its symbol.
        tails: Per coded element what follows verbatim.
        tail_bits: How many bits that is.
    """

    header: WeightHeader
    coded: NDArray[np.bool_]
    symbols: NDArray[np.int64]
    tails: NDArray[np.uint64]
    tail_bits: NDArray[np.int64]


def ways(data: bytes, part: Range) -> Iterator[Symbols]:
    """The ways to take ``data``, the content of ``part``, apart that may turn out smallest."""
    width = part.width
    words = np.frombuffer(data, f"<u{width}").astype(np.uint32)
    for delta in (False, True)[: 1 + part.deltas]:
        if delta:
            mask = np.uint32((1 << 8 * width) - 1)
            words = np.diff(words, prepend=np.uint32(0)) & mask
        occupied = np.count_nonzero(words)
        for zeros in (False, True):
            if not zeros or 20 * occupied < 19 * words.size:
                coded = words != 0 if zeros else np.ones(words.size, np.bool_)
                yield _taken_apart(words, coded, width, delta, zeros)


def _taken_apart(
    words: Words, coded: NDArray[np.bool_], width: int, delta: bool, zeros: bool
) -> Symbols:
    values = words[coded]
    candidates = []
    for verbatim in _VERBATIM_BITS[width]:
        entries, counts = np.unique(values >> np.uint32(verbatim), return_counts=True)
        escape = len(entries) > CODEBOOK_LIMIT
        if escape:
            kept = np.sort(np.argsort(-counts, kind="stable")[: CODEBOOK_LIMIT - 1])
            rest = values.size - int(counts[kept].sum())
            entries, counts = entries[kept], np.append(counts[kept], rest)
        shares = counts / max(1, values.size)
        entropy = float(-(counts * np.log2(shares, where=shares > 0, out=shares * 0)).sum())
        escaped = int(counts[-1]) if escape else 0
        bits = entropy + verbatim * (values.size - escaped) + 8 * width * escaped
        entry_bits = (
            8 * width - verbatim - np.log2(max(1, len(entries))) + 4
        )  # Rice, and its length
        bits += len(entries) * float(entry_bits)
        candidates.append((bits, verbatim, escape, entries))
    _, verbatim, escape, entries = min(candidates, key=lambda candidate: candidate[0])
    codebook = tuple(int(entry) for entry in entries)
    header = WeightHeader(width, delta, zeros, escape, verbatim, codebook)
    return _indexed(values, coded, header, entries)


def _indexed(
    values: Words, coded: NDArray[np.bool_], header: WeightHeader, entries: Words
) -> Symbols:
    tops = values >> np.uint32(header.verbatim_bits)
    symbols = np.minimum(np.searchsorted(entries, tops), max(0, len(entries) - 1))
    tails = values & np.uint32((1 << header.verbatim_bits) - 1)
    tail_bits = np.full(values.size, header.verbatim_bits, np.int64)
    if header.escape:
        is_missing = entries[symbols] != tops
        symbols[is_missing] = len(entries)
        tails[is_missing] = values[is_missing]
        tail_bits[is_missing] = 8 * header.width
    return Symbols(header, coded, symbols, tails.astype(np.uint64), tail_bits)
