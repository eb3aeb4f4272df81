"""How weights of convolutions and fully connected layers are stored in a plan.

Source: ``struct ep_conv_args`` in ``firmware/include/edgeprune/plan.h``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.firmware import mve
from edgeprune.firmware.operations import Convolution

PATTERNS = {"dense": 0, "blocks_1x4": 1, "dense_4_rows": 2, "unstructured": 3, "blocks_1x16": 4}
"""Patterns, and their numbers in a plan."""

BLOCK_WEIGHTS = {"blocks_1x4": 4, "unstructured": 1, "blocks_1x16": 16}
"""Sparse patterns, and how many weights of a row one byte of their index stands for."""

MAX_SKIP = 255
"""Blocks that one byte of an index can leave out."""

_MAX_COUNT = 0xFFFF
_ROWS = 4


@dataclass(frozen=True)
class StoredWeights:
    """Weights as they stand in a plan.

    Attributes:
        weights: int8, flat.
        counts: uint16, blocks kept of each output channel; empty where dense.
        index: uint8, blocks left out before each that is kept; empty where dense.
        rows: Output channels, with those of zeros that fill up the last rows.
        row_bytes: Bytes of one output channel's weights, all kept.
    """

    weights: Array
    counts: Array
    index: Array
    rows: int
    row_bytes: int

    @property
    def bytes(self) -> int:
        """All three."""
        return int(self.weights.nbytes + self.counts.nbytes + self.index.nbytes)


def row_bytes(operation: Convolution) -> int:
    """Bytes of one output channel's weights, all kept."""
    row: int = operation.weights.shape[1]
    return row if operation.op == "DEPTHWISE_CONV_2D" else -(-row // 8) * 8


def stored(operation: Convolution, pattern: str, isa: str) -> StoredWeights:
    """Stores an operation's weights in one of :data:`PATTERNS`, as an ISA's kernels read them."""
    if isa == "mve" and pattern == "dense":
        rows = mve.packed(operation)
        return _dense(rows, *rows.shape)
    count, size = len(operation.weights), row_bytes(operation)
    if pattern == "blocks_1x16":
        size = -(-size // 16) * 16
    rows = np.zeros((count, size), np.int8)
    rows[:, : operation.weights.shape[1]] = operation.weights
    if pattern == "dense":
        return _dense(rows, count, size)
    if pattern == "dense_4_rows":
        filled = np.zeros((-(-count // _ROWS) * _ROWS, size), np.int8)
        filled[:count] = rows
        return _dense(filled.reshape(-1, _ROWS, size // 4, 4).transpose(0, 2, 1, 3), count, size)
    filled_rows = mve.rows(operation) if isa == "mve" else count
    return _sparse(rows.reshape(count, -1, BLOCK_WEIGHTS[pattern]), filled_rows, size)


def fits_counts(operation: Convolution) -> bool:
    """Whether sparse patterns can count the weights of every row."""
    return row_bytes(operation) <= _MAX_COUNT


def _dense(weights: Array, rows: int, size: int) -> StoredWeights:
    nothing = np.zeros(0, np.uint16), np.zeros(0, np.uint8)
    return StoredWeights(weights.reshape(-1), *nothing, rows, size)


def _sparse(blocks: Array, rows: int, size: int) -> StoredWeights:
    """``blocks``: shape ``(out_channels, blocks of a row, weights of a block)``."""
    is_kept: Array = np.asarray(blocks.any(axis=2))
    channels, places, skips = _gaps(is_kept)
    for far in np.flatnonzero(
        skips > MAX_SKIP
    ):  # blocks of zeros stand where too many are left out
        before = places[far] - skips[far] - 1
        is_kept[channels[far], before + MAX_SKIP + 1 : places[far] : MAX_SKIP + 1] = True
    _, _, skips = _gaps(is_kept)
    return StoredWeights(
        blocks[is_kept].reshape(-1).astype(np.int8),
        is_kept.sum(axis=1).astype(np.uint16),
        skips.astype(np.uint8),
        rows,
        size,
    )


def _gaps(is_kept: Array) -> tuple[Array, Array, Array]:
    """Of each block that is kept: its channel, its place, and how many are left out before it."""
    channels, places = np.nonzero(is_kept)
    is_first = np.diff(channels, prepend=-1) != 0
    before = np.where(is_first, -1, np.roll(places, 1))
    return channels, places, places - before - 1
