"""Sparse tensor encodings of the TFLite schema: the smallest one and its writer.

A tensor is stored level by level in some order of its axes. A *dense* level holds every position;
a *CSR* level holds the positions that are in use, with segments that say which belong to which
parent. Axes may be cut into blocks, which follow as further, always dense, levels: LiteRT reads a
CSR block level as size 0 and puts the weights in wrong places, so none is ever written.

Source: LiteRT ``tflite/kernels/internal/utils/sparsity_format_converter.cc`` and table
``SparsityParameters`` of ``schema.fbs``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import Array

_DENSE, _CSR = schema.DimensionType.DENSE, schema.DimensionType.SPARSE_CSR
_BLOCK_SIZES = (2, 4)

OVERHEAD_BYTES = 320
"""What a sparse tensor costs beside its arrays: sparsity tables, a second tensor, a DENSIFY.

Source: measured as the growth of compacted files of 1 to 20 encoded tensors of rank 2 and 4 in
every storage: up to 314 bytes each; ``tests/sparsify/test_sparsify.py`` repeats it.
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
            parts = np.moveaxis(mask, block_axis, 0)
            blocks = int(np.count_nonzero(_any(parts[k::block] for k in range(block))))
            if blocks * block * itemsize > kept * (itemsize + 1):
                continue  # the values alone outweigh the indices that blocks save
            for axis, length in enumerate(mask.shape):
                if length > 1:
                    yield _sized(mask.shape, axis, block_axis, block, blocks, itemsize)


def _any(masks: Iterable[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Where at least one mask is True; several times as fast as reducing an axis of 2 or 4."""
    return functools.reduce(np.logical_or, masks)


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
    mask = _any(rows[:, :, k] != 0 for k in range(block))
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
