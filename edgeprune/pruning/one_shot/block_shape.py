"""The shapes in which weights go together, and masks that remove the lowest scores in a shape."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.errors import ModelError


@dataclass(frozen=True)
class BlockShape:
    """What goes together, in a matrix ``(out_channels, in_features)``.

    Attributes:
        rows: Consecutive output channels of a block.
        columns: Consecutive inputs of a block.
        keep: Of ``group`` consecutive inputs this many stay in each row; 0 where any may go.
        group: See ``keep``; 0 where any may go.
    """

    rows: int = 1
    columns: int = 1
    keep: int = 0
    group: int = 0

    def check(self, sparsity: float) -> None:
        """Checks that the shape can have this sparsity.

        Raises:
            ModelError: It lies outside [0, 1), or an N:M shape has another one.
        """
        if not 0 <= sparsity < 1:  # also true for NaN
            raise ModelError(f"sparsity must be in [0, 1), got {sparsity:g}")
        own = 1 - self.keep / self.group if self.group else sparsity
        if abs(own - sparsity) > 1e-6:
            raise ModelError(
                f"the pattern {self.keep}:{self.group} has a sparsity of {own:g}: asked for "
                f"{sparsity:g}; set sparsity to {own:g}"
            )


def block_shape(pattern: str) -> BlockShape:
    """Reads a pattern's name.

    Args:
        pattern: ``unstructured``; ``BxN``, blocks of B output channels and N inputs; ``N:M``, at
            most N of M consecutive inputs stay.

    Raises:
        ModelError: The name is none of these.

    >>> block_shape("2x1")
    BlockShape(rows=2, columns=1, keep=0, group=0)
    >>> block_shape("2:4")
    BlockShape(rows=1, columns=1, keep=2, group=4)
    """
    if pattern == "unstructured":
        return BlockShape()
    if match := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", pattern):
        return BlockShape(int(match[1]), int(match[2]))
    if match := re.fullmatch(r"([1-9]\d*):([1-9]\d*)", pattern):
        keep, group = int(match[1]), int(match[2])
        if keep < group:
            return BlockShape(1, 1, keep, group)
    raise ModelError(
        f"pattern {pattern!r} is no shape of blocks: expected unstructured, 4x1, 1x4 or 2:4, or "
        "others like these"
    )


def row_parts(out_channels: int, rows: int) -> list[slice]:
    """Output channels that fill whole blocks, and those left over, which form a smaller block.

    The same share is removed from both, so that no block goes only because it is small.
    """
    whole = out_channels // rows * rows
    parts = [slice(0, whole), slice(whole, out_channels)]
    return [part for part in parts if part.stop > part.start]


def lowest_removed(
    scores: NDArray[np.floating], shape: BlockShape, sparsity: float, per_row: bool = False
) -> BoolArray:
    """Removes the blocks of lowest sums of scores, in exact numbers.

    ``floor(sparsity * n + 0.5)`` of ``n`` blocks go; inputs left over count as a block too. Of
    equal sums the earlier goes first. N:M leaves inputs alone that fill no group.

    Args:
        scores: Shape ``(out_channels, in_features)``, at least 0.
        shape: What goes together.
        sparsity: Share of blocks to remove.
        per_row: Compare only blocks of the same output channels, as Wanda does; then the number
            is exact in each of them.

    Returns:
        True where a weight stays.

    Raises:
        ModelError: The shape cannot have this sparsity, or a score is NaN.

    >>> lowest_removed(np.array([[4.0, 2, 3, 2]]), block_shape("1x2"), 0.5).tolist()
    [[True, True, False, False]]
    >>> lowest_removed(np.array([[4.0, 1, 3, 2]]), block_shape("2:4"), 0.5).tolist()
    [[True, False, True, False]]
    """
    shape.check(sparsity)
    if np.isnan(scores).any():
        raise ModelError("scores hold NaN: they have no order")
    if shape.group:
        return _n_of_m(scores, shape)
    mask = np.ones(scores.shape, np.bool_)
    for part in row_parts(len(scores), shape.rows):
        rows = min(shape.rows, part.stop - part.start)
        height = rows if per_row else part.stop - part.start
        for first in range(part.start, part.stop, height):
            some = slice(first, first + height)
            remove = blocks_to_remove(
                height, scores.shape[1], BlockShape(rows, shape.columns), sparsity
            )
            mask[some] = remove_blocks(scores[some], rows, shape.columns, remove)
    return mask


def blocks_to_remove(
    out_channels: int, in_features: int, shape: BlockShape, sparsity: float
) -> int:
    """``floor(sparsity * n + 0.5)`` of the n blocks of a matrix whose rows fill whole blocks."""
    blocks = out_channels // shape.rows * -(-in_features // shape.columns)
    return math.floor(sparsity * blocks + 0.5)


def remove_blocks(scores: NDArray[np.floating], rows: int, columns: int, remove: int) -> BoolArray:
    """Mask without the ``remove`` blocks of lowest sums; ``rows`` divides the output channels."""
    sums = _sums(scores, rows, columns)
    kept = np.ones(sums.size, np.bool_)
    kept[np.argsort(sums, axis=None, kind="stable")[:remove]] = False
    spread = kept.reshape(sums.shape).repeat(rows, axis=0).repeat(columns, axis=1)
    return np.asarray(spread[:, : scores.shape[1]])


def _sums(scores: NDArray[np.floating], rows: int, columns: int) -> NDArray[np.floating]:
    """Per block, ``(blocks of channels, blocks of inputs)``; the last of inputs may be partial."""
    over_rows = scores.reshape(-1, rows, scores.shape[1]).sum(axis=1)
    return np.add.reduceat(over_rows, np.arange(0, scores.shape[1], columns), axis=1)


def _n_of_m(scores: NDArray[np.floating], shape: BlockShape) -> BoolArray:
    out_channels, in_features = scores.shape
    end = in_features // shape.group * shape.group
    grouped = scores[:, :end].reshape(out_channels, -1, shape.group)
    order = np.argsort(grouped, axis=2, kind="stable")
    kept = np.ones(grouped.shape, np.bool_)
    np.put_along_axis(kept, order[:, :, : shape.group - shape.keep], False, axis=2)
    mask = np.ones(scores.shape, np.bool_)
    mask[:, :end] = kept.reshape(out_channels, end)
    return mask


def filled(values: NDArray[np.floating], mask: BoolArray, rows: int) -> FloatArray:
    """Pruned weights in which a kept block of channels is full or empty, as float32.

    A zero beside others in a block becomes the smallest normal number, as in
    :meth:`edgeprune.pruning.patterns.blocks.Blocks.finish`: the runtime then counts the block as
    full.

    Args:
        values: Shape ``(out_channels, in_features)``.
        mask: The same shape, True where a weight stays.
        rows: Output channels in a block.
    """
    stored = np.where(mask, values, 0).astype(np.float32)
    for part in row_parts(len(stored), rows):
        height = min(rows, part.stop - part.start)
        used = (stored[part] != 0).reshape(-1, height, stored.shape[1]).any(axis=1)
        gaps = used.repeat(height, axis=0) & (stored[part] == 0)
        stored[part][gaps] = np.finfo(np.float32).smallest_normal
    return stored
