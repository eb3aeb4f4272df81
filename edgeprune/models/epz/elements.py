"""Where a decoder of weights puts its elements: bytes, a chunk at a time."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeprune.models.epz.layout import WeightHeader, Words

_CHUNK = 1 << 14
_ZEROS = array("I", bytes(4 * _CHUNK))
Sink = Callable[[bytes], None]


class Elements:
    """Undoes differences, and hands over chunks of 16,384 elements."""

    def __init__(self, header: WeightHeader, sink: Sink) -> None:
        self._header = header
        self._sink = sink
        self._chunk: array[int] = array("I")
        self._last = 0

    def put(self, value: int) -> None:
        """Adds an element, or a difference."""
        self._chunk.append(value)
        if len(self._chunk) >= _CHUNK:
            self.flush()

    def zeros(self, count: int) -> None:
        """Adds up to 16,384 elements, or differences, of 0."""
        self._chunk.extend(_ZEROS[:count])
        if len(self._chunk) >= _CHUNK:
            self.flush()

    def repeat(self, block: list[int], times: int) -> None:
        """Adds a block of elements, or differences, so many times."""
        at_once = min(times, max(1, _CHUNK // len(block)))
        many = array("I", block * at_once)
        for done in range(0, times, max(1, at_once)):
            self._chunk.extend(many[: len(block) * (times - done)])
            self.flush()

    def flush(self) -> None:
        """Hands over what there is."""
        words: Words = np.array(self._chunk, np.uint32)
        if self._header.delta and words.size:
            words[0] += np.uint32(self._last)
            words = np.cumsum(words, dtype=np.uint32)
            self._last = int(words[-1])
        out: Any = words.astype(f"<u{self._header.width}")
        self._sink(out.tobytes())
        self._chunk = array("I")
