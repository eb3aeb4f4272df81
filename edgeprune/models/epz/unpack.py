"""Unpacks a container as a stream, in memory that no container can make grow.

At most: 64 KiB of input, the store's 64 KiB, zlib's window, and chunks of 64 KiB of output.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import BinaryIO

from edgeprune.errors import ConfigError, ModelError
from edgeprune.files.whole_file import write_whole
from edgeprune.models.epz import adaptive_record, huffman_record, limits
from edgeprune.models.epz.bits import BitReader
from edgeprune.models.epz.damage import damaged
from edgeprune.models.epz.elements import Sink
from edgeprune.models.epz.layout import Kind, WeightHeader
from edgeprune.models.epz.reader import CHUNK_BYTES, Reader


def is_epz(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a container, of any version."""
    return head[:3] == limits.MAGIC[:3]


def unpack_stream(source: BinaryIO, target: BinaryIO, max_bytes: int) -> int:
    """Writes the content of a container.

    Args:
        source: Read in chunks, to its end.
        target: Written in chunks. What was written before an error is worth nothing.
        max_bytes: Most that the content may be.

    Returns:
        The content's size in bytes.

    Raises:
        ModelError: It is no container, is damaged, or holds more than ``max_bytes``.
    """
    reader = Reader(source)
    magic = reader.exactly(len(limits.MAGIC))
    if not is_epz(magic):
        raise ModelError(f"not a .epz file: it begins with {magic!r}")
    if magic != limits.MAGIC:
        raise ModelError(f".epz file of version {magic[3]}, and only 1 is known: update edgeprune")
    size = reader.number()
    if size > min(max_bytes, limits.SIZE_LIMIT_BYTES):
        raise ModelError(f".epz file that holds {size:,} bytes: more than the limit {max_bytes:,}")
    expected = reader.exactly(limits.DIGEST_BYTES)
    digest = hashlib.sha256()

    def sink(data: bytes) -> None:
        digest.update(data)
        target.write(data)

    _unpack_records(reader, size, sink)
    reader.end()
    if digest.digest()[: limits.DIGEST_BYTES] != expected:
        raise damaged("its content has another SHA-256")
    return size


def unpack_file(source: Path, target: Path, max_bytes: int) -> int:
    """Unpacks ``source`` into the file ``target``, which appears whole or not at all.

    Returns:
        The content's size in bytes.

    Raises:
        ModelError: As for :func:`unpack_stream`, or a file cannot be read or written.
    """
    size = 0

    def content(out: BinaryIO) -> None:
        nonlocal size
        size = unpack_stream(packed, out, max_bytes)

    try:
        with source.open("rb") as packed:
            write_whole(target, content, replace=True)
    except (ModelError, ConfigError) as error:
        raise ModelError(f"{source}: {error}") from error
    except OSError as error:
        raise ModelError(f"{source}: cannot be unpacked: {error.strerror or error}") from error
    return size


def _unpack_records(reader: Reader, size: int, sink: Sink) -> None:
    store = memoryview(b"")
    made = 0
    while made < size or store:
        head = reader.number()
        kind, count = head & 7, head >> 3
        if kind > max(Kind) or count == 0:
            raise damaged(f"a record of kind {kind} and {count} bytes")
        if kind == Kind.STORE:
            if count > limits.STORE_BYTES or store:
                raise damaged(f"a store of {count} bytes, or one before the last is used up")
            parts: list[bytes] = []
            _inflate(reader, count, parts.append)
            store = memoryview(b"".join(parts))
            continue
        if count > size - made:
            raise damaged("records of more bytes than it says it holds")
        made += count
        if kind == Kind.COPY:
            if count > len(store):
                raise damaged("a copy of more than the store holds")
            sink(bytes(store[:count]))
            store = store[count:]
        elif kind == Kind.DEFLATE:
            _inflate(reader, count, sink)
        else:
            _unpack_weights(reader, Kind(kind), count, sink)


def _inflate(reader: Reader, count: int, sink: Sink) -> None:
    """Decodes a DEFLATE stream of exactly ``count`` bytes."""
    inflater = zlib.decompressobj(-15)
    data = b""
    try:
        while not inflater.eof:
            data = inflater.unconsumed_tail or reader.some(CHUNK_BYTES)
            out = inflater.decompress(data, min(CHUNK_BYTES, count + 1))
            count -= len(out)
            if count < 0:
                break
            sink(out)
    except zlib.error as error:
        raise damaged(f"DEFLATE: {error}") from error
    if count:
        raise damaged("a DEFLATE stream of another size than its record")
    reader.give_back(len(inflater.unused_data))


def _unpack_weights(reader: Reader, kind: Kind, count: int, sink: Sink) -> None:
    bits = BitReader(reader)
    header = WeightHeader.read(bits)
    elements, rest = divmod(count, header.width)
    if rest:
        raise damaged(f"a record of {count} bytes of elements of {header.width}")
    if kind is Kind.HUFFMAN:
        huffman_record.decode(elements, header, bits, sink)
    else:
        adaptive_record.decode(reader, elements, header, bits, sink)
