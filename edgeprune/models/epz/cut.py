"""Finds the ranges of a ``.tflite`` file that hold numbers of one kind."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgeprune.models.epz.limits import ROW_LIMIT

_WIDTHS = {
    schema.TensorType.FLOAT32: 4,
    schema.TensorType.FLOAT16: 2,
    schema.TensorType.INT8: 1,
    schema.TensorType.UINT8: 1,
    schema.TensorType.INT16: 2,
    schema.TensorType.INT32: 4,
}
_VECTORS = {
    schema.SparseIndexVector.Int32Vector: 4,
    schema.SparseIndexVector.Uint16Vector: 2,
    schema.SparseIndexVector.Uint8Vector: 1,
}
_PART_BYTES = 16 << 20  # what the packer works on at once
_TENSOR_LIMIT = 1 << 20


@dataclass(frozen=True, order=True)
class Range:
    """Elements of one width, side by side.

    Attributes:
        start: Offset of the first byte.
        stop: Offset behind the last one.
        width: Bytes of an element.
        row: Elements of a row.
        deltas: Whether they ascend, as indices do.
    """

    start: int
    stop: int
    width: int
    row: int = 1
    deltas: bool = False


def ranges(tflite: bytes) -> list[Range]:
    """What there is in file order, without overlaps; empty for what is no TFLite file."""
    if tflite[4:8] != b"TFL3":
        return []
    found: list[Range] = []
    try:
        found.extend(_of_model(tflite))
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError):
        pass  # a damaged file: what was found so far is as good as any other cut
    chosen: list[Range] = []
    end = 0
    for part in sorted(found):
        if end <= part.start < part.stop <= len(tflite):
            chosen += _parts(part)
            end = part.stop
    return chosen


def _parts(whole: Range) -> Iterator[Range]:
    """Pieces of at most 16 MiB, of whole elements."""
    stop = whole.stop - (whole.stop - whole.start) % whole.width
    for start in range(whole.start, stop, _PART_BYTES):
        end = min(stop, start + _PART_BYTES)
        yield Range(start, end, whole.width, whole.row, whole.deltas)


def _of_model(tflite: bytes) -> Iterator[Range]:
    model = schema.Model.GetRootAs(tflite, 0)
    seen: set[int] = set()
    visited = 0
    for s in range(_checked(model.SubgraphsLength(), tflite)):
        subgraph = model.Subgraphs(s)
        for t in range(_checked(subgraph.TensorsLength(), tflite)):
            visited += 1
            if visited > _TENSOR_LIMIT:
                return
            tensor = subgraph.Tensors(t)
            index = tensor.Buffer()
            width = _WIDTHS.get(tensor.Type())
            if width and 0 < index < model.BuffersLength() and index not in seen:
                seen.add(index)
                yield from _vector(model.Buffers(index), 1, width, _row(tensor))
            if tensor.Sparsity() is not None:
                yield from _index_arrays(tensor.Sparsity(), tflite)


def _checked(length: int, tflite: bytes) -> int:
    """A vector's length, unless the file could not hold its offsets."""
    if length > len(tflite) // 4:
        raise ValueError
    return length


def _vector(table: Any, size: int, width: int, row: int, deltas: bool = False) -> Iterator[Range]:
    """The range of a table's first field, a vector of elements of ``size`` bytes."""
    field = table._tab.Offset(4)
    if field:
        start = table._tab.Vector(field)
        yield Range(start, start + size * table._tab.VectorLen(field), width, row, deltas)


def _index_arrays(sparsity: Any, tflite: bytes) -> Iterator[Range]:
    for k in range(_checked(sparsity.DimMetadataLength(), tflite)):
        level = sparsity.DimMetadata(k)
        for kind, table in (
            (level.ArraySegmentsType(), level.ArraySegments()),
            (level.ArrayIndicesType(), level.ArrayIndices()),
        ):
            width = _VECTORS.get(kind)
            if width and table is not None:
                vector = schema.Int32Vector()
                vector.Init(table.Bytes, table.Pos)
                yield from _vector(vector, width, width, 1, deltas=True)


def _row(tensor: Any) -> int:
    """Elements of one output channel of a filter, or of the longest part of it that fits a row."""
    shape = [int(tensor.Shape(i)) for i in range(min(8, tensor.ShapeLength()))]
    for axis in range(1, len(shape)):
        row = math.prod(shape[axis:])
        if 1 < row <= ROW_LIMIT:
            return row
    last = shape[-1] if shape else 1
    return max((d for d in range(1, ROW_LIMIT + 1) if last > 0 and last % d == 0), default=1)
