"""Prunes wide layers in one sweep over their inputs, so that all rows share one factorization."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import BoolArray
from edgeprune.pruning.one_shot.block_shape import (
    BlockShape,
    blocks_to_remove,
    lowest_removed,
    remove_blocks,
)

SWEEP_COLUMNS = 128
"""Inputs whose mask is chosen at a time. Source: SparseGPT, section 3.3 (B_s = 128)."""

DoubleArray = NDArray[np.float64]


def sweep(
    weights: DoubleArray, inverse: DoubleArray, shape: BlockShape, sparsity: float
) -> tuple[BoolArray, DoubleArray]:
    """Chooses masks from left to right; inputs on the right adapt to what was removed before.

    Source: Frantar and Alistarh 2023, "SparseGPT", algorithm 1; a weight's score is
    ``w^2 / U_jj^2`` with ``U`` the upper Cholesky factor of the inverse Hessian, as its section
    3.2 derives. Blocks go by the sum of their weights' scores (ours).

    Args:
        weights: Shape ``(out_channels, in_features)``; ``shape.rows`` divides the former.
        inverse: Inverse Hessian ``(in_features, in_features)``, positive definite.
        shape: What goes together.
        sparsity: Share of blocks to remove, in all; sets of inputs even out each other's
            rounding.

    Returns:
        The mask, True where a weight stays, and the values, zero elsewhere.
    """
    factor = np.linalg.cholesky(inverse).T
    diagonal = np.diagonal(factor)
    values = weights.copy()
    mask = np.ones(weights.shape, np.bool_)
    removed = 0
    step = shape.group or shape.columns
    width = shape.group or max(1, SWEEP_COLUMNS // step) * step
    for first in range(0, weights.shape[1], width):
        some = slice(first, min(first + width, weights.shape[1]))
        scores = (values[:, some] / diagonal[some]) ** 2
        if shape.group:
            mask[:, some] = lowest_removed(scores, shape, sparsity)
        else:
            due = blocks_to_remove(len(weights), some.stop, shape, sparsity)
            mask[:, some] = remove_blocks(scores, shape.rows, shape.columns, due - removed)
            removed = due
        errors = np.zeros(scores.shape)
        for k, j in enumerate(range(some.start, some.stop)):
            errors[:, k] = np.where(mask[:, j], 0, values[:, j]) / diagonal[j]
            values[:, j : some.stop] -= np.outer(errors[:, k], factor[j, j : some.stop])
        values[:, some.stop :] -= errors @ factor[some, some.stop :]
    return mask, np.where(mask, values, 0)
