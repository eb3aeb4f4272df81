"""Frames, as PROTOCOL.md describes them."""

from __future__ import annotations

import errno
import os
import select
import struct
import time
import zlib

MAGIC = b"EPF2"
JSON_LIMIT_BYTES = 16 << 20
BLOB_LIMIT_BYTES = 1 << 30
_LENGTHS = struct.Struct("<II")
_CRC = struct.Struct("<I")
_PART_BYTES = 1 << 20


class InputEnded(Exception):
    """The input closed."""


class NoRequest(Exception):
    """No whole frame came in time."""


class BadFrame(Exception):
    """What came is no frame."""


def fits(json_bytes: int, blob_bytes: int) -> bool:
    """Whether a frame may be as long as that."""
    return json_bytes <= JSON_LIMIT_BYTES and blob_bytes <= BLOB_LIMIT_BYTES


def read_frame(source: int, idle_s: float) -> tuple[bytes, bytes]:
    """Reads one frame; its JSON and its blob.

    Args:
        source: Descriptor to read from.
        idle_s: How long the whole frame may take.

    Raises:
        InputEnded: The input closed before the frame was whole.
        NoRequest: It took too long.
        BadFrame: It is none, too long, or damaged.
    """
    until_s = time.monotonic() + idle_s
    # The magic is judged on its own: junk shorter than a header is refused at once.
    if _read(source, len(MAGIC), until_s) != MAGIC:
        raise BadFrame("input is no frame: it does not begin with EPF2")
    lengths = _read(source, _LENGTHS.size, until_s)
    (crc,) = _CRC.unpack(_read(source, _CRC.size, until_s))
    json_bytes, blob_bytes = _LENGTHS.unpack(lengths)
    if not fits(json_bytes, blob_bytes):
        raise BadFrame("frame is longer than 16 MiB of JSON or 1 GiB of blob")
    try:
        text = _read(source, json_bytes, until_s)
        blob = _read(source, blob_bytes, until_s)
    except MemoryError as error:
        raise BadFrame("no memory for the frame") from error
    if _crc(lengths, text, blob) != crc:
        raise BadFrame("frame was damaged on its way: its CRC differs")
    return text, blob


def write_frame(target: int, text: bytes, blob: bytes) -> None:
    """Writes one frame.

    Raises:
        OSError: Nobody reads any more.
    """
    lengths = _LENGTHS.pack(len(text), len(blob))
    _write(target, MAGIC + lengths + _CRC.pack(_crc(lengths, text, blob)) + text)
    _write(target, blob)


def _crc(lengths: bytes, text: bytes, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(text, zlib.crc32(lengths)))


def _read(source: int, size: int, until_s: float) -> bytes:
    poll = select.poll()
    poll.register(source, select.POLLIN)
    data = bytearray()
    while len(data) < size:
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise NoRequest
        part = os.read(source, min(size - len(data), _PART_BYTES))
        if not part:
            raise InputEnded
        data += part
    return bytes(data)


def _write(target: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        written = os.write(target, left)
        if written == 0:  # it takes nothing and says no more: trying again could last for ever
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        left = left[written:]
