"""Parameters of a sparse tensor: its levels describe the stored values, and stay in its shape.

Source: table ``SparsityParameters`` of LiteRT's ``schema.fbs``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError

_FORMATS = (schema.DimensionType.DENSE, schema.DimensionType.SPARSE_CSR)


def check_sparsity(sparsity: Any, shape: tuple[int, ...], values: float, where: str) -> None:
    """Checks the levels of one sparse tensor, without making anything of the size that they claim.

    Args:
        sparsity: The tensor's ``SparsityParametersT``.
        shape: The tensor's dense shape.
        values: Number of elements in its buffer.
        where: The tensor in words, for messages.

    Raises:
        ModelError: Levels, shape and values contradict each other.
    """
    order, blocks = _axes(sparsity.traversalOrder), _axes(sparsity.blockMap)
    levels = sparsity.dimMetadata or []
    rank = len(shape)
    fault = f"{where} is stored sparse, and "
    if len(order) != rank + len(blocks) or len(levels) != len(order):
        raise ModelError(f"{fault}its levels do not fit its shape")
    if sorted(order) != list(range(len(order))) or sorted(order[:rank]) != list(range(rank)):
        raise ModelError(f"{fault}its traversal order is none")
    if len(set(blocks)) != len(blocks) or any(not 0 <= axis < rank for axis in blocks):
        raise ModelError(f"{fault}its block map names an axis that it has not")
    sizes = list(shape)
    for level, axis in zip(levels[rank:], blocks, strict=True):
        block = int(level.denseSize)
        if level.format != schema.DimensionType.DENSE or block < 1 or sizes[axis] % block:
            raise ModelError(f"{fault}its blocks do not fit its shape")
        sizes[axis] //= block
    extents = [sizes[axis] for axis in order[:rank]] + [int(one.denseSize) for one in levels[rank:]]
    parents = 1
    for level, extent in zip(levels, extents, strict=True):
        parents = _check_level(level, extent, parents, fault)
    if parents != values:
        raise ModelError(f"{fault}its levels lead to {parents} values where {values:g} are stored")


def dense_bytes(tensor: Any, bits: int) -> int:
    """What a sparse tensor becomes once it is stored dense."""
    return math.prod(int(size) for size in tensor.shape) * bits // 8 if tensor.sparsity else 0


def _axes(indices: Any) -> list[int]:
    return [] if indices is None else [int(i) for i in indices]


def _check_level(level: Any, extent: int, parents: int, fault: str) -> int:
    """Checks one level below ``parents`` entries; returns how many entries it has itself."""
    if level.format not in _FORMATS:
        raise ModelError(f"{fault}a level has the unknown format {level.format}")
    if level.format == schema.DimensionType.DENSE:
        if level.denseSize != extent:
            raise ModelError(f"{fault}a level of {level.denseSize} stands where {extent} is due")
        return parents * extent
    segments, indices = _numbers(level.arraySegments), _numbers(level.arrayIndices)
    if len(segments) != parents + 1 or segments[0] != 0 or segments[-1] != len(indices):
        raise ModelError(f"{fault}its segments contradict its indices")
    if (np.diff(segments) < 0).any():
        raise ModelError(f"{fault}its segments run backwards")
    if len(indices) and (indices.min() < 0 or indices.max() >= extent):
        raise ModelError(f"{fault}its indices lie outside of its shape")
    return len(indices)


def _numbers(vector: Any) -> Array:
    """The values of an index vector of any width; empty for none."""
    values = None if vector is None else vector.values
    return np.asarray([] if values is None else values, np.int64)
