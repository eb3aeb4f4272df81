"""Frames: how requests and answers are cut out of a byte stream.

``device_agents/PROTOCOL.md`` is the specification; ``device_agents/frame.c`` is the other end.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeprune.errors import DeviceError

MAGIC = b"EPF2"
JSON_LIMIT_BYTES = 16 << 20
BLOB_LIMIT_BYTES = 1 << 30
GREETING_LIMIT_BYTES = 64 << 10
_LENGTHS = struct.Struct("<II")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Frame:
    """One message.

    Attributes:
        message: The JSON object.
        blob: Raw bytes that belong to it.
    """

    message: Mapping[str, Any]
    blob: bytes = b""


def pack(frame: Frame) -> bytes:
    r"""The bytes of a frame.

    >>> pack(Frame({"id": 1}, b"xy"))
    b'EPF2\x08\x00\x00\x00\x02\x00\x00\x00{\xf8\xa3\xf8{"id":1}xy'

    Raises:
        DeviceError: The frame is longer than the protocol allows.
    """
    text = json.dumps(frame.message, separators=(",", ":"), allow_nan=False).encode()
    _check_lengths(len(text), len(frame.blob))
    lengths = _LENGTHS.pack(len(text), len(frame.blob))
    return b"".join((MAGIC, lengths, _CRC.pack(_crc(lengths, text, frame.blob)), text, frame.blob))


def read_frame(read: Callable[[int], bytes], greeting_limit_bytes: int = 0) -> Frame:
    """Reads one frame.

    Args:
        read: Returns exactly as many bytes as asked for, or raises.
        greeting_limit_bytes: How much may stand before the frame and is skipped: a login shell's
            greeting, before the first frame of a stream.

    Raises:
        DeviceError: The bytes are no frame, a damaged one, or one longer than the protocol allows.
    """
    _skip_greeting(read, greeting_limit_bytes)
    lengths = read(_LENGTHS.size)
    json_bytes, blob_bytes = _LENGTHS.unpack(lengths)
    _check_lengths(json_bytes, blob_bytes)
    (crc,) = _CRC.unpack(read(_CRC.size))
    text = read(json_bytes)
    blob = read(blob_bytes) if blob_bytes else b""
    if crc != _crc(lengths, text, blob):
        raise DeviceError(
            "a frame was damaged on its way from the device: its CRC differs; try again"
        )
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DeviceError(f"the device sent a frame whose JSON is broken: {error}") from error
    if not isinstance(message, dict):
        raise DeviceError(f"the device sent a frame that holds no JSON object: {text[:60]!r}")
    return Frame(message, blob)


def _skip_greeting(read: Callable[[int], bytes], limit_bytes: int) -> None:
    """Reads up to and including the frame's magic."""
    seen = bytearray(read(len(MAGIC)))
    while not seen.endswith(MAGIC):
        if len(seen) >= limit_bytes + len(MAGIC):
            raise DeviceError(f"the device sent no frame but {bytes(seen[:60])!r}")
        seen += read(1)


def _crc(lengths: bytes, text: bytes, blob: bytes) -> int:
    """Of all that stands behind the magic but itself."""
    return zlib.crc32(blob, zlib.crc32(text, zlib.crc32(lengths)))


def _check_lengths(json_bytes: int, blob_bytes: int) -> None:
    if json_bytes > JSON_LIMIT_BYTES or blob_bytes > BLOB_LIMIT_BYTES:
        raise DeviceError(
            f"a frame of {json_bytes} bytes of JSON and {blob_bytes} of data is too long: at most "
            f"{JSON_LIMIT_BYTES} and {BLOB_LIMIT_BYTES}"
        )
