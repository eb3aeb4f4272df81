"""A writer of FlatBuffers that stores vectors and tables of equal content once.

A table refers to others by their offset, so two may refer to the same one. Shapes and options
repeat from layer to layer, and a quantized weight's scales at every step of its unpacking.
"""

from __future__ import annotations

from typing import Any

import flatbuffers

_LARGEST_BYTES = 1 << 16  # weights do not repeat, and comparing them takes time


class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # the package has no types
    """A builder whose vectors of numbers, and tables of nothing but numbers, are shared."""

    def __init__(self, initial_bytes: int) -> None:
        super().__init__(initial_bytes)
        self._known: dict[tuple[int, int, bytes], int] = {}
        self._begins_at = 0
        self._kind: tuple[int, int] | None = None
        self._tables: dict[tuple[bytes, bytes], int] = {}

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
        """Begins a vector; one of numbers unless an offset follows."""
        self._begins_at = self.Offset()
        self._kind = (elemSize, alignment)
        return super().StartVector(elemSize, numElems, alignment)

    def StartObject(self, numfields: int) -> None:
        """Begins a table; one of numbers unless an offset follows."""
        self._begins_at = self.Offset()
        self._kind = (0, 0)
        super().StartObject(numfields)

    def EndObject(self) -> int:
        """Ends a table; gives it up again where the same one was written before."""
        offset = int(super().EndObject())
        kind, self._kind = self._kind, None
        if kind is None:
            return offset
        start, end = len(self.Bytes) - offset, len(self.Bytes) - self._begins_at
        layout = start - int.from_bytes(self.Bytes[start : start + 4], "little", signed=True)
        size = int.from_bytes(self.Bytes[layout : layout + 2], "little")
        fields, content = self.Bytes[layout : layout + size], self.Bytes[start + 4 : end]
        known = self._tables.setdefault((bytes(fields), bytes(content)), offset)
        if known != offset:
            self.head = end
        return known

    def PrependUOffsetTRelative(self, off: int) -> None:
        """Writes an offset, whose value depends on where it stands."""
        self._kind = None
        super().PrependUOffsetTRelative(off)

    def EndVector(self, numElems: int | None = None) -> int:
        """Ends a vector; gives it up again where the same one was written before."""
        length = self.vectorNumElems
        offset = int(super().EndVector(numElems))
        kind, self._kind = self._kind, None
        if kind is None or kind[0] * length > _LARGEST_BYTES:
            return offset
        head = self.Head()
        content = bytes(self.Bytes[head : head + 4 + kind[0] * length])
        known = self._known.setdefault((*kind, content), offset)
        if known != offset:
            self.head = len(self.Bytes) - self._begins_at
        return known
