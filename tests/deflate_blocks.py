"""DEFLATE (RFC 1951) bit for bit: blocks that no packer writes."""

from __future__ import annotations

LITERAL_0, LENGTH_7, LENGTH_8 = "00110000", "0000101", "0000110"
DISTANCE_1, DISTANCE_2 = "00000", "00001"


def fixed_block(*words):
    """DEFLATE's last block, of its fixed codes, whose words are written highest bit first."""
    bits = "1" + "10" + "".join(words) + "0000000"
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


def canonical(lengths):
    """Words of a code by symbol, from lengths by symbol (RFC 1951, section 3.2.2)."""
    words, word, before = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        word <<= length - before
        words[symbol] = f"{word:0{length}b}"
        word, before = word + 1, length
    return words


def number_of_bits(value, width):
    """A number of DEFLATE, which stands lowest bit first."""
    return f"{value:0{width}b}"[::-1] if width else ""


def dynamic_block(code_lengths, items, literals, distances, words=""):
    """DEFLATE's last block, of codes of its own (section 3.2.7), bit for bit as it is told.

    Args:
        code_lengths: Lengths of the code that the lengths are written in, by symbol.
        items: Symbols of that code, each with the value and width of what follows it.
        literals: How many literal and length symbols it says there are.
        distances: How many distances.
        words: What the codes themselves say, end of the block included.
    """
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
    code = canonical(code_lengths)
    bits = "1" + "01" + number_of_bits(literals - 257, 5) + number_of_bits(distances - 1, 5)
    bits += number_of_bits(19 - 4, 4)
    bits += "".join(number_of_bits(code_lengths.get(symbol, 0), 3) for symbol in order)
    bits += "".join(code[symbol] + number_of_bits(value, width) for symbol, value, width in items)
    bits += words + "0" * (-len(bits + words) % 8)
    return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


OF_LENGTHS = {0: 2, 1: 2, 2: 2, 18: 2}
"""A complete code of code lengths 0, 1, 2, and 18: eleven zeros and more."""


def zeros(count):
    """So many zeros among code lengths."""
    full, rest = divmod(count, 138)
    runs = [138] * full + ([rest] if rest >= 11 else [])
    return [(18, run - 11, 7) for run in runs] + [(0, 0, 0)] * (rest if rest < 11 else 0)


def of_two_literals(length, literals=257, distances=1, last=0):
    """Code lengths: literal 0 and the end of the block of ``length``, distances of ``last``."""
    ends = [(length, 0, 0), *zeros(255), (length, 0, 0), *zeros(literals - 257)]
    return [*ends, *[(last, 0, 0)] * distances]
