"""Sparse tensors of the TFLite schema, read back as dense ones.

Source: LiteRT ``tflite/kernels/internal/utils/sparsity_format_converter.cc`` and table
``SparsityParameters`` of ``schema.fbs``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError

_DENSE = schema.DimensionType.DENSE


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
