"""Packs a file: every range in the smallest of the ways that there are."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator

from edgeprune.errors import ModelError
from edgeprune.models.epz import adaptive_record, huffman_record, limits
from edgeprune.models.epz.cut import Range, ranges
from edgeprune.models.epz.layout import Kind, number
from edgeprune.models.epz.symbols import ways

_LEAST_BYTES = 32  # a shorter range is no record of its own
_OWN_BYTES = 1 << 14  # a longer range without a better way is one
_ADAPTIVE_LIMIT = 1 << 22  # elements; the coder takes microseconds for each
_ADAPTIVE_PAYS = 0.98  # it takes ten times as long to unpack

Piece = tuple[Kind, bytes, bytes]
"""How a range is stored, the range, and the record's body."""


def pack(content: bytes) -> bytes:
    """The container of ``content``: a ``.tflite`` file, though any bytes will do.

    Raises:
        ModelError: It is larger than 4 GiB.
    """
    if len(content) > limits.SIZE_LIMIT_BYTES:
        raise ModelError(f"{len(content):,} bytes are too many for a .epz file: at most 4 GiB")
    out = bytearray(limits.MAGIC + number(len(content)))
    out += hashlib.sha256(content).digest()[: limits.DIGEST_BYTES]
    for group in _groups(_joined(_pieces(content))):
        out += _records(group)
    return bytes(out) + zlib.crc32(out).to_bytes(limits.CRC_BYTES, "little")


def _pieces(content: bytes) -> Iterator[Piece]:
    """The file in order; what has no way of its own is a COPY with an empty body."""
    end = 0
    for part in ranges(content):
        if part.start > end:
            yield Kind.COPY, content[end : part.start], b""
        yield _smallest(content[part.start : part.stop], part)
        end = part.stop
    if end < len(content):
        yield Kind.COPY, content[end:], b""


def _smallest(data: bytes, part: Range) -> Piece:
    """One range in its smallest way."""
    plain: Piece = (Kind.COPY, data, b"")
    if len(data) < _LEAST_BYTES:
        return plain
    tried = [(huffman_record.encode(taken), taken) for taken in ways(data, part)]
    body, taken = min(tried, key=lambda pair: len(pair[0]))
    best: Piece = (Kind.HUFFMAN, data, body)
    if taken.coded.size <= _ADAPTIVE_LIMIT:
        adaptive = adaptive_record.encode(taken, part.row)
        if adaptive is not None and len(adaptive) < _ADAPTIVE_PAYS * len(best[2]):
            best = (Kind.ADAPTIVE, data, adaptive)
    return best if len(best[2]) < len(_deflate(data)) else plain


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Joins neighbours without a way of their own, and gives long ones a record."""
    plain = b""
    for piece in (*pieces, None):
        if piece is not None and piece[0] is Kind.COPY:
            plain += piece[1]
            continue
        if plain:
            kind = Kind.DEFLATE if len(plain) > _OWN_BYTES else Kind.COPY
            yield kind, plain, _deflate(plain) if kind is Kind.DEFLATE else b""
            plain = b""
        if piece is not None:
            yield piece


def _groups(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Groups whose plain bytes fit into the store together."""
    group: list[Piece] = []
    stored = 0
    for piece in pieces:
        size = len(piece[1]) if piece[0] is Kind.COPY else 0
        if stored + size > limits.STORE_BYTES:
            yield group
            group, stored = [], 0
        group.append(piece)
        stored += size
    yield group


def _records(group: list[Piece]) -> bytes:
    """Fills the store with a group's plain bytes, which share one DEFLATE; then the pieces."""
    store = b"".join(data for kind, data, _ in group if kind is Kind.COPY)
    out = _head(Kind.STORE, len(store)) + _deflate(store) if store else b""
    return out + b"".join(_head(kind, len(data)) + body for kind, data, body in group)


def _deflate(data: bytes) -> bytes:
    """Source: RFC 1951, by zlib."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return packer.compress(data) + packer.flush()


def _head(kind: Kind, size: int) -> bytes:
    return number(size << 3 | kind)
