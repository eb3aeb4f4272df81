"""Prunes one layer at once, and moves the weights that stay so that its output changes least.

Both Hessian and target come from calibration data; no training, no labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.errors import ModelError
from edgeprune.pruning.one_shot.block_shape import BlockShape, filled, row_parts
from edgeprune.pruning.one_shot.exact_obs import exact_mask
from edgeprune.pruning.one_shot.sparse_gpt import sweep
from edgeprune.pruning.patterns import Pruning

DAMPING = 0.01
"""Added to the Hessian's diagonal, as a share of its mean. Source: SparseGPT, section 4 (1 %)."""

EXACT_COST = 4e9
"""Strips times inputs cubed up to which every row gets its own order of removal.

Source: ours; on ResNet-8 at 60 % sparsity 15e9 was no better than 2e9, and 0 was 3 points worse.
"""

REFIT_COST = 1e11
"""Floating-point operations up to which the weights that stay are solved for anew. Source: ours."""

DoubleArray = NDArray[np.float64]


def second_order(
    weights: FloatArray,
    hessian: DoubleArray,
    shape: BlockShape,
    sparsity: float,
    cross: DoubleArray | None = None,
    in_channels: int | None = None,
) -> Pruning:
    """Removes the weights that the layer's output misses least, and refits the others.

    Small layers get ExactOBS masks, wide ones those of SparseGPT's sweep. Then the least-squares
    problem on the weights that stay is solved exactly, unless that is too long.

    Source: Frantar and Alistarh 2022, "Optimal Brain Compression"; 2023, "SparseGPT". The target
    for inputs that are those of a pruned model is the "asymmetric reconstruction" of He et al.
    2017, "Channel Pruning", section 3.2.

    Args:
        weights: Shape ``(out_channels, in_features)``.
        hessian: ``2 X X^T / n`` of the inputs that the pruned layer gets.
        shape: What goes together.
        sparsity: Share of blocks to remove, in [0, 1).
        cross: ``2 X_dense X^T / n``: then the output to come close to is ``weights`` times the
            dense model's inputs, else times the same inputs.
        in_channels: Divides ``in_features``; blocks never reach over a multiple of it (a
            convolution's taps). None where it is ``in_features``.

    Returns:
        Values and mask; ``floor(sparsity * n + 0.5)`` of ``n`` blocks are zero. Inputs that were
        zero in every sample go first; where one stays, its weight stays as it was. In blocks of
        channels a kept weight that comes out as zero is the smallest normal number instead, as in
        :meth:`edgeprune.pruning.patterns.blocks.Blocks.finish`.

    Raises:
        ModelError: The shape cannot have this sparsity, or weights are not finite.
    """
    shape.check(sparsity)
    if not np.isfinite(weights).all():
        raise ModelError("weights hold inf or nan: they cannot be pruned")
    if in_channels and in_channels % shape.columns:
        places = _places(weights.shape[1], in_channels, shape.columns)
        size = int(places[-1]) + 1 + -in_channels % shape.columns
        wide = [_spread(array, places, size) for array in (hessian, cross) if array is not None]
        pruned = second_order(
            _spread(weights.T, places, size, square=False).T, wide[0], shape, sparsity, *wide[1:]
        )
        return Pruning(pruned.values[:, places], pruned.mask[:, places])
    dense = weights.astype(np.float64)
    dead = np.diagonal(hessian) <= 0
    damping = _damping(hessian, dead)
    damped = hessian + np.diag(damping)
    inverse = np.linalg.inv(damped)
    inverse = (inverse + inverse.T) / 2
    target = dense
    if cross is not None:
        pulled = (dense @ cross + dense * damping).T
        target = np.asarray(np.linalg.solve(damped, pulled), np.float64).T
    ranked = np.where(dead, 0, target)
    values, mask = np.empty_like(dense), np.ones(dense.shape, np.bool_)
    for part in row_parts(len(dense), shape.rows):
        rows = min(shape.rows, part.stop - part.start)
        own = BlockShape(rows, shape.columns, shape.keep, shape.group)
        strips = (part.stop - part.start) // rows
        if strips * dense.shape[1] ** 3 <= EXACT_COST:
            mask[part] = exact_mask(ranked[part], inverse, own, sparsity)
            swept = None
        else:
            mask[part], swept = sweep(ranked[part], inverse, own, sparsity)
        if swept is None or _refit_cost(mask[part], rows) <= REFIT_COST:
            values[part] = refit(target[part], damped, mask[part], rows)
        else:
            values[part] = np.where(mask[part] & dead, target[part], swept)
    return Pruning(filled(values, mask, shape.rows), mask)


def refit(target: DoubleArray, hessian: DoubleArray, mask: BoolArray, rows: int = 1) -> DoubleArray:
    """The least-squares weights under a mask: those nearest to ``target`` in the metric H.

    ``w_K = t_K + H_KK^-1 H_KR t_R`` for kept inputs K and removed ones R minimizes
    ``(w - t) H (w - t)``: its gradient in K is zero.

    Args:
        target: Shape ``(out_channels, in_features)``.
        hessian: Shape ``(in_features, in_features)``, positive definite.
        mask: True where a weight stays, the same in each block of ``rows`` channels.
        rows: Divides the number of output channels.
    """
    values = np.where(mask, target, 0)
    for first in range(0, len(target), rows):
        some = slice(first, first + rows)
        kept = np.flatnonzero(mask[first])
        removed = np.flatnonzero(~mask[first])
        if kept.size and removed.size:
            pull = hessian[np.ix_(kept, removed)] @ target[some, removed].T
            values[some, kept] += np.linalg.solve(hessian[np.ix_(kept, kept)], pull).T
    return values


def output_error(change: DoubleArray, hessian: DoubleArray) -> float:
    """``1/2 tr(D H D^T)``: mean over rows of inputs of the output's squared change.

    Args:
        change: What is added to the weights, ``(out_channels, in_features)``.
        hessian: ``2 X X^T / n``.
    """
    return float(0.5 * np.einsum("oi,ij,oj->", change, hessian, change, optimize=True))


def saliency(weights: FloatArray, hessian: DoubleArray) -> DoubleArray:
    """What the removal of each weight alone costs: a share of the mean squared output.

    ``1/2 w^2 / [H^-1]_jj`` over ``1/2 tr(W H W^T)``, with the damped Hessian in the former.

    Source: Frantar and Alistarh 2022, "Optimal Brain Compression", equation 3; the share is ours.

    Args:
        weights: Shape ``(out_channels, in_features)``.
        hessian: ``2 X X^T / n``.
    """
    dense = weights.astype(np.float64)
    dead = np.diagonal(hessian) <= 0
    inverse = np.linalg.inv(hessian + np.diag(_damping(hessian, dead)))
    costs = 0.5 * np.where(dead, 0, dense**2 / np.diagonal(inverse))
    return np.asarray(costs / max(output_error(dense, hessian), np.finfo(np.float64).tiny))


def _places(in_features: int, in_channels: int, columns: int) -> NDArray[np.intp]:
    """Where inputs lie when each tap's are filled up to whole blocks."""
    taps, channels = np.divmod(np.arange(in_features), in_channels)
    return np.asarray(taps * (-(-in_channels // columns) * columns) + channels)


def _spread(
    array: NDArray[np.floating], places: NDArray[np.intp], size: int, square: bool = True
) -> Any:
    """The array with zeros between its rows, and between its columns if it is square."""
    wide = np.zeros((size, size if square else array.shape[1]), array.dtype)
    wide[np.ix_(places, places) if square else places] = array
    return wide


def _damping(hessian: DoubleArray, dead: BoolArray) -> DoubleArray:
    diagonal = np.diagonal(hessian)
    mean = float(diagonal[~dead].mean()) if not dead.all() else 1.0
    return np.where(dead, mean, DAMPING * mean)


def _refit_cost(mask: BoolArray, rows: int) -> float:
    kept = mask[::rows].sum(axis=1, dtype=np.float64)
    return float((2 / 3 * kept**3).sum())
