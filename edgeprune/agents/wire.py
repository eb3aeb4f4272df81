"""Frames: how requests and answers are cut out of a byte stream.

``device_agents/PROTOCOL.md`` is the specification; ``device_agents/portable/frame_header.c``
is the other end.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeprune.errors import BadFrame
from edgeprune.text.untrusted import one_line

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
        BadFrame: The frame is longer than the protocol allows.
    """
    text = json.dumps(frame.message, separators=(",", ":"), allow_nan=False).encode()
    _check_lengths(len(text), len(frame.blob))
    lengths = _LENGTHS.pack(len(text), len(frame.blob))
    return b"".join((MAGIC, lengths, _CRC.pack(_crc(lengths, text, frame.blob)), text, frame.blob))


def read_frame(
    read: Callable[[int], bytes],
    greeting_limit_bytes: int = 0,
    json_limit_bytes: int = JSON_LIMIT_BYTES,
    blob_limit_bytes: int = BLOB_LIMIT_BYTES,
    read_rest: Callable[[int], bytes] | None = None,
) -> Frame:
    """Reads one frame.

    Args:
        read: Returns exactly as many bytes as asked for, or raises.
        greeting_limit_bytes: How much may stand before the frame and is skipped: a login shell's
            greeting, before the first frame of a stream.
        json_limit_bytes: How much JSON the asked question can have as its answer; more is refused
            by the frame's header alone, before anything of it is read.
        blob_limit_bytes: The same of the blob.
        read_rest: As ``read``, of a frame that has begun; ``read`` itself if None.

    Raises:
        BadFrame: The bytes are no frame, a damaged one, or one that is too long.
    """
    _skip_greeting(read, greeting_limit_bytes)
    read = read_rest or read
    lengths = read(_LENGTHS.size)
    json_bytes, blob_bytes = _LENGTHS.unpack(lengths)
    _check_lengths(
        json_bytes,
        blob_bytes,
        min(json_limit_bytes, JSON_LIMIT_BYTES),
        min(blob_limit_bytes, BLOB_LIMIT_BYTES),
    )
    (crc,) = _CRC.unpack(read(_CRC.size))
    text = read(json_bytes)
    blob = read(blob_bytes) if blob_bytes else b""
    if crc != _crc(lengths, text, blob):
        raise BadFrame("a frame was damaged on its way from the device: its CRC differs; try again")
    return Frame(_parsed(text), blob)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        # As text: of bytes, Python's reader takes UTF-16 and halves of characters as well.
        message = json.loads(text.decode("utf-8"), **_STRICT)
    except (ValueError, RecursionError) as error:
        why = one_line(error, 200)
        raise BadFrame(f"the device sent a frame whose JSON is broken: {why}") from error
    if not isinstance(message, dict):
        raise BadFrame(f"the device sent a frame that holds no JSON object: {text[:60]!r}")
    return message


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    by_key = dict(pairs)
    if len(by_key) < len(pairs):
        raise ValueError("a key appears twice")
    return by_key


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word} is too large for a number")
    return number


_STRICT: Mapping[str, Any] = {
    "object_pairs_hook": _object,
    "parse_constant": _no_number,
    "parse_float": _finite,
}
"""What JSON's reader of Python's own takes without a word, and nobody can use."""


def _skip_greeting(read: Callable[[int], bytes], limit_bytes: int) -> None:
    """Reads up to and including the frame's magic."""
    seen = bytearray(read(len(MAGIC)))
    while not seen.endswith(MAGIC):
        if len(seen) >= limit_bytes + len(MAGIC):
            raise BadFrame(
                f"the device sent {bytes(seen[:60])!r}, expected a frame: does a login script "
                "print something?"
            )
        seen += read(1)


def _crc(lengths: bytes, text: bytes, blob: bytes) -> int:
    """Of all that stands behind the magic but itself."""
    return zlib.crc32(blob, zlib.crc32(text, zlib.crc32(lengths)))


def _check_lengths(
    json_bytes: int,
    blob_bytes: int,
    json_limit_bytes: int = JSON_LIMIT_BYTES,
    blob_limit_bytes: int = BLOB_LIMIT_BYTES,
) -> None:
    if json_bytes > json_limit_bytes or blob_bytes > blob_limit_bytes:
        raise BadFrame(
            f"a frame of {json_bytes:,} bytes of JSON and {blob_bytes:,} of data is too long: at "
            f"most {json_limit_bytes:,} and {blob_limit_bytes:,} are expected"
        )
