"""Sparse tensor encodings of the TFLite schema: the smallest one, its writer and its reader.

A tensor is stored level by level in some order of its axes. A *dense* level holds every position;
a *CSR* level holds the positions that are in use, with segments that say which belong to which
parent. Axes may be cut into blocks, which follow as further, always dense, levels: LiteRT reads a
CSR block level as size 0 and puts the weights in wrong places, so none is ever written.

Source: LiteRT ``tflite/kernels/internal/utils/sparsity_format_converter.cc`` and table
``SparsityParameters`` of ``schema.fbs``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgeprune.artifacts import Array
from edgeprune.errors import ModelError

_DENSE, _CSR = schema.DimensionType.DENSE, schema.DimensionType.SPARSE_CSR
_BLOCK_SIZES = (2, 4)

OVERHEAD_BYTES = 340
"""What a sparse tensor costs beside its arrays: sparsity tables, a second tensor, a DENSIFY.

The second tensor repeats the first one's name and scales, which come on top. Source: measured as
the growth of files of 1 to 20 encoded tensors of rank 2 and 4: 200 to 320 bytes each.
"""


@dataclass(frozen=True)
class Encoding:
    """One way to store a tensor.

    Attributes:
        sparse_axis: The axis whose level is CSR; it comes last among the tensor's axes.
        block_axis: The axis cut into blocks, or None.
        block_size: Elements in a block; 1 without blocks.
        bytes: Values, segments and indices.
    """

    sparse_axis: int
    block_axis: int | None
    block_size: int
    bytes: int


def smallest_encoding(data: Array) -> Encoding:
    """The encoding of ``data`` with the fewest bytes; the first one among equals.

    Args:
        data: Any shape of rank 1 or more.
    """
    mask = data != 0
    return min(_encodings(mask, data.itemsize), key=lambda encoding: encoding.bytes)


def _encodings(mask: NDArray[np.bool_], itemsize: int) -> Iterator[Encoding]:
    kept = int(np.count_nonzero(mask))
    for axis, size in enumerate(mask.shape):
        if size > 1 or mask.ndim == 1 or mask.size == 1:
            yield _sized(mask.shape, axis, None, 1, kept, itemsize)
    for block_axis, size in enumerate(mask.shape):
        for block in _BLOCK_SIZES:
            if size % block or size == block:
                continue
            shape = (*mask.shape[:block_axis], size // block, block, *mask.shape[block_axis + 1 :])
            blocks = int(np.count_nonzero(mask.reshape(shape).any(axis=block_axis + 1)))
            if blocks * block * itemsize > kept * (itemsize + 1):
                continue  # the values alone outweigh the indices that blocks save
            for axis, length in enumerate(mask.shape):
                if length > 1:
                    yield _sized(mask.shape, axis, block_axis, block, blocks, itemsize)


def _sized(
    shape: tuple[int, ...], axis: int, block_axis: int | None, block: int, count: int, itemsize: int
) -> Encoding:
    length = shape[axis] // (block if axis == block_axis else 1)
    parents = math.prod(shape) // (block * length)
    size = count * (block * itemsize + _index_type(length - 1).itemsize)
    size += (parents + 1) * _index_type(count).itemsize
    return Encoding(axis, block_axis, block, size)


def _index_type(largest: int) -> np.dtype[Any]:
    """The narrowest of the schema's index types that holds ``largest``."""
    if largest <= np.iinfo(np.uint8).max:
        return np.dtype(np.uint8)
    return np.dtype(np.uint16 if largest <= np.iinfo(np.uint16).max else np.int32)


def encode(data: Array, encoding: Encoding) -> tuple[bytes, Any]:
    """Stores ``data`` in ``encoding``.

    Returns:
        The buffer's bytes, and the tensor's ``SparsityParametersT``.
    """
    block, axis = encoding.block_size, encoding.sparse_axis
    order = [i for i in range(data.ndim) if i != axis] + [axis]
    shape = list(data.shape)
    if encoding.block_axis is not None:
        shape[encoding.block_axis] //= block
        expanded = [*data.shape]
        expanded[encoding.block_axis : encoding.block_axis + 1] = [
            shape[encoding.block_axis],
            block,
        ]
        data = np.moveaxis(data.reshape(expanded), encoding.block_axis + 1, -1)
    else:
        data = data[..., None]
    rows = data.transpose([*order, data.ndim - 1]).reshape(-1, shape[axis], block)
    mask = (rows != 0).any(axis=2)
    counts = np.count_nonzero(mask, axis=1)
    segments = np.concatenate([[0], np.cumsum(counts)])
    indices = np.flatnonzero(mask) % shape[axis]
    values = np.ascontiguousarray(rows[mask])
    sparsity = schema.SparsityParametersT()
    metadata = [_dense_level(shape[i]) for i in order[:-1]]
    metadata.append(_csr_level(segments, indices, shape[axis]))
    if encoding.block_axis is not None:
        order.append(len(shape))
        sparsity.blockMap = np.array([encoding.block_axis], np.int32)
        metadata.append(_dense_level(block))
    sparsity.traversalOrder = np.array(order, np.int32)
    sparsity.dimMetadata = metadata
    return values.tobytes(), sparsity


def _dense_level(size: int) -> Any:
    level = schema.DimensionMetadataT()
    level.format, level.denseSize = _DENSE, size
    return level


def _csr_level(segments: NDArray[np.int64], indices: NDArray[np.int64], length: int) -> Any:
    level = schema.DimensionMetadataT()
    level.format = _CSR
    level.arraySegmentsType, level.arraySegments = _vector(segments, int(segments[-1]))
    level.arrayIndicesType, level.arrayIndices = _vector(indices, length - 1)
    return level


def _vector(values: NDArray[np.int64], largest: int) -> tuple[int, Any]:
    dtype = _index_type(largest)
    name = {1: "Uint8Vector", 2: "Uint16Vector", 4: "Int32Vector"}[dtype.itemsize]
    vector = getattr(schema, name + "T")()
    vector.values = values.astype(dtype)
    return getattr(schema.SparseIndexVector, name), vector


def decode(stored: Array, sparsity: Any, shape: tuple[int, ...]) -> Array:
    """The dense tensor behind a sparse one, whoever wrote it.

    Args:
        stored: The buffer as a flat array of the tensor's type.
        sparsity: The tensor's ``SparsityParametersT``.
        shape: The tensor's shape.

    Raises:
        ModelError: The parameters contradict each other or the buffer, or a block level is CSR,
            which LiteRT reads wrong.
    """
    order = [int(i) for i in sparsity.traversalOrder]
    block_map = [int(i) for i in (sparsity.blockMap if sparsity.blockMap is not None else [])]
    if len(order) != len(shape) + len(block_map) or len(order) != len(sparsity.dimMetadata):
        raise ModelError("sparse tensor whose levels do not fit its shape")
    if any(level.format != _DENSE for level in sparsity.dimMetadata[len(shape) :]):
        raise ModelError("sparse tensor with a CSR block level, which LiteRT reads wrong")
    coordinates: list[NDArray[np.int64]] = []
    parents = 1
    for level in sparsity.dimMetadata:
        if level.format == _DENSE:
            repeat: Any = np.full(parents, level.denseSize)
            positions = np.tile(np.arange(level.denseSize), parents)
        else:
            repeat = np.diff(np.asarray(level.arraySegments.values, np.int64))
            positions = np.asarray(level.arrayIndices.values, np.int64)
            if len(repeat) != parents or (repeat < 0).any() or repeat.sum() != len(positions):
                raise ModelError("sparse tensor whose segments contradict its indices")
        coordinates = [*(np.repeat(c, repeat) for c in coordinates), positions]
        parents = len(positions)
    if parents != stored.size:
        raise ModelError(f"sparse tensor of {parents} values with {stored.size} in its buffer")
    index: dict[int, Any] = {order[i]: coordinates[i] for i in range(len(shape))}
    for i, axis in enumerate(block_map):
        size = int(sparsity.dimMetadata[len(shape) + i].denseSize)
        index[axis] = index[axis] * size + coordinates[len(shape) + i]
    dense = np.zeros(shape, stored.dtype)
    if any((index[a] >= size).any() or (index[a] < 0).any() for a, size in enumerate(shape)):
        raise ModelError("sparse tensor with indices outside its shape")
    dense[tuple(index[axis] for axis in range(len(shape)))] = stored
    return dense
