"""Containers ``.epz``: a ``.tflite`` file packed for a slow link, unpacked bit by bit the same.

Weights are stored as Deep Compression does (Han, Mao, Dally, ICLR 2016): a codebook of the values
that occur, gaps between those that are not zero, Huffman codes of both; or under an adaptive
arithmetic coder where that is smaller. ``docs/epz.md`` is the format byte by byte.
"""

from __future__ import annotations

import io

from edgeprune.models.epz.pack import pack
from edgeprune.models.epz.unpack import is_epz, unpack_file, unpack_stream

__all__ = ["CONTENT_LIMIT_BYTES", "is_epz", "pack", "unpack", "unpack_file", "unpack_stream"]

CONTENT_LIMIT_BYTES = 1 << 31
"""What a container may hold unless a caller says otherwise: TFLite's own limit."""


def unpack(packed: bytes, max_bytes: int = CONTENT_LIMIT_BYTES) -> bytes:
    """The content of a container that is in memory.

    >>> unpack(pack(b"anything"))
    b'anything'

    Raises:
        ModelError: It is no container, is damaged, or holds more than ``max_bytes``.
    """
    target = io.BytesIO()
    unpack_stream(io.BytesIO(packed), target, max_bytes)
    return target.getvalue()
