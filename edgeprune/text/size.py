"""Sizes of memory as people write them: ``100kB``, ``32 KiB``, ``4096``."""

from __future__ import annotations

import re

WANTED = "expected a size such as 100kB, 32KiB or 4096 (bytes)"

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}

_MAX_BYTES = 1 << 40


def parse_size(text: str) -> int:
    """Bytes of a size with its unit, rounded down.

    Args:
        text: ``100kB`` (of 1,000 bytes), ``32KiB`` (of 1,024), or a number of bytes.

    Raises:
        ValueError: It is no size, or not positive, in words that can follow a colon.

    >>> parse_size("100kB"), parse_size("1.5 KiB"), parse_size("4096")
    (100000, 1536, 4096)
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{0,9})?)\s*([a-z]*)\s*", text.lower(), re.ASCII)
    if match is None or match[2] not in _UNITS:
        raise ValueError(WANTED)
    size = int(float(match[1]) * _UNITS[match[2]])
    if not 0 < size <= _MAX_BYTES:
        raise ValueError(f"must be at least one byte, and at most 1 TiB: {WANTED}")
    return size
