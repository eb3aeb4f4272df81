"""Removes weights one by one, each the one that costs least after the others have adapted.

Rows of a weight matrix are independent given the Hessian of the squared output error; rows that
share their mask form one *strip* and share the inverse Hessian.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import BoolArray
from edgeprune.pruning.one_shot.block_shape import BlockShape, blocks_to_remove

CHUNK_BYTES = 64 << 20
"""Of the inverse Hessians that are worked on at a time. Source: ours."""

SHRINK_SHARE = 0.1
"""Removed share of the inputs at which arrays are cut to those left. Source: ours."""

DoubleArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]


class Trace(NamedTuple):
    """In what order blocks of inputs go.

    Attributes:
        order: Block of inputs that goes at each step, ``(strips, steps)``.
        losses: What its removal adds to ``1/2 tr(dW H dW^T)``, the same shape.
    """

    order: IndexArray
    losses: DoubleArray


def exact_mask(
    weights: DoubleArray, inverse: DoubleArray, shape: BlockShape, sparsity: float
) -> BoolArray:
    """The mask of ExactOBS: each strip's own order of removal, and one ranking over all strips.

    Source: Frantar and Alistarh 2022, "Optimal Brain Compression", algorithm 1 (a row's trace) and
    section 4 ("global step": rows are cut where the next loss is the least), blocks as in its
    section "Group pruning".

    Args:
        weights: Shape ``(strips * rows, in_features)`` with ``rows`` of ``shape``.
        inverse: Inverse Hessian ``(in_features, in_features)``, positive definite.
        shape: What goes together.
        sparsity: Share of blocks to remove.

    Returns:
        True where a weight stays; ``floor(sparsity * n + 0.5)`` of ``n`` blocks are removed.
    """
    strips = len(weights) // shape.rows
    in_features = weights.shape[1]
    weights, inverse = _padded(weights, inverse, shape.columns)
    trace = removal_trace(weights.reshape(strips, shape.rows, -1), inverse, shape)
    blocks = weights.shape[1] // shape.columns
    if shape.group:
        counts = np.full(strips, trace.order.shape[1])
    else:
        # A step can only be taken after those before it, so it ranks by the worst of them.
        keys = np.maximum.accumulate(trace.losses, axis=1).reshape(-1)
        remove = blocks_to_remove(len(weights), in_features, shape, sparsity)
        first = np.argsort(keys, kind="stable")[:remove]
        counts = np.bincount(first // blocks, minlength=strips)
    kept = np.ones((strips, blocks), np.bool_)
    for strip, count in enumerate(counts):
        kept[strip, trace.order[strip, :count]] = False
    return kept.repeat(shape.rows, axis=0).repeat(shape.columns, axis=1)[:, :in_features]


def _padded(
    weights: DoubleArray, inverse: DoubleArray, columns: int
) -> tuple[DoubleArray, DoubleArray]:
    """Fills the last block of inputs with inputs that nothing depends on."""
    extra = -weights.shape[1] % columns
    if not extra:
        return weights, inverse
    size = len(inverse)
    wider = np.eye(size + extra)
    wider[:size, :size] = inverse
    return np.pad(weights, ((0, 0), (0, extra))), wider


def removal_trace(weights: DoubleArray, inverse: DoubleArray, shape: BlockShape) -> Trace:
    """Removes everything that the shape allows, the cheapest block first, in every strip.

    The loss of a block B is ``1/2 w_B (H^-1_BB)^-1 w_B``; the other weights move by
    ``-H^-1_:B (H^-1_BB)^-1 w_B``, and ``H^-1`` loses the rank that B had.

    Source: Frantar and Alistarh 2022, "Optimal Brain Compression", equations 3 to 5.

    Args:
        weights: Shape ``(strips, rows, in_features)``.
        inverse: Inverse Hessian, of a size that ``shape.columns`` divides.
        shape: What goes together.
    """
    strips, _, in_features = weights.shape
    steps = in_features // shape.columns
    if shape.group:
        steps = in_features // shape.group * (shape.group - shape.keep)
    chunk = max(1, CHUNK_BYTES // (8 * in_features * in_features))
    order = np.empty((strips, steps), np.intp)
    losses = np.empty((strips, steps))
    for first in range(0, strips, chunk):
        some = slice(first, first + chunk)
        running = _Strips(weights[some], inverse, shape)
        for step in range(steps):
            order[some, step], losses[some, step] = running.remove()
    return Trace(order, losses)


class _Strips:
    """Strips that lose one block a step, all in step; arrays shrink as blocks go.

    The inverse Hessian after each removal is ``H^-1 - sum_t v_t v_t^T``. Only its diagonal blocks
    and one stripe are needed at a step, so the vectors are gathered and subtracted many at a time.
    """

    def __init__(self, weights: DoubleArray, inverse: DoubleArray, shape: BlockShape) -> None:
        count, _, in_features = weights.shape
        self._shape = shape
        self._weights = weights.copy()
        self._inverse = np.repeat(inverse[None], count, axis=0)
        self._all = np.arange(count)
        blocks = in_features // shape.columns
        self._names = np.repeat(np.arange(blocks)[None], count, axis=0)
        self._barred = np.zeros((count, blocks), np.bool_)
        if shape.group:
            self._barred[:, in_features // shape.group * shape.group :] = True
            self._removed_of = np.zeros((count, -(-in_features // shape.group)), np.intp)
        self._start()

    def _start(self) -> None:
        """What is kept of the removals since the inverse was last brought up to date."""
        count, blocks = self._names.shape
        columns = self._shape.columns
        split = self._inverse.reshape(count, blocks, columns, blocks, columns)
        every = np.arange(blocks)
        self._diagonal = np.ascontiguousarray(split[:, every, :, every, :].swapaxes(0, 1))
        self._gone = np.zeros((count, blocks), np.bool_)
        self._taken = 0
        most = max(1, int(SHRINK_SHARE * blocks))
        self._vectors = np.zeros((count, most * columns, blocks * columns))

    def remove(self) -> tuple[IndexArray, DoubleArray]:
        """Removes each strip's cheapest block; gives its name and its loss."""
        if (self._taken + 1) * self._shape.columns > self._vectors.shape[1]:
            self._shrink()
        losses = self._losses()
        losses[self._barred | self._gone] = np.inf
        chosen = losses.argmin(axis=1)
        loss = losses[self._all, chosen]
        self._eliminate(chosen)
        names = self._names[self._all, chosen]
        if self._shape.group:
            self._bar_full_groups(names)
        return names, loss

    def _losses(self) -> DoubleArray:
        if self._shape.columns == 1:
            squares = np.einsum("crj,crj->cj", self._weights, self._weights)
            return np.asarray(0.5 * squares / self._diagonal[:, :, 0, 0])
        count, rows, _ = self._weights.shape
        parts = self._weights.reshape(count, rows, -1, self._shape.columns).transpose(0, 2, 3, 1)
        solved = np.linalg.solve(self._diagonal, parts)
        return np.asarray(0.5 * np.einsum("cbir,cbir->cb", parts, solved))

    def _eliminate(self, chosen: IndexArray) -> None:
        columns = self._shape.columns
        places = chosen[:, None] * columns + np.arange(columns)
        used = self._vectors[:, : self._taken * columns]
        before = np.take_along_axis(used, places[:, None, :], axis=2)
        stripe = self._inverse[self._all[:, None], places]
        stripe -= np.einsum("cti,ctj->cij", before, used)
        factor = np.linalg.cholesky(self._diagonal[self._all, chosen])
        vectors = np.linalg.solve(factor, stripe)
        weights = np.take_along_axis(self._weights, places[:, None, :], axis=2)
        shares = np.linalg.solve(factor, weights.swapaxes(1, 2))
        self._weights -= np.einsum("cir,cij->crj", shares, vectors)
        split = vectors.reshape(len(chosen), columns, -1, columns)
        self._diagonal -= np.einsum("cibk,cibl->cbkl", split, split)
        self._diagonal[self._all, chosen] = np.eye(columns)  # of no use, yet invertible
        self._vectors[:, self._taken * columns : (self._taken + 1) * columns] = vectors
        self._gone[self._all, chosen] = True
        self._taken += 1

    def _bar_full_groups(self, names: IndexArray) -> None:
        groups = names // self._shape.group
        self._removed_of[self._all, groups] += 1
        most = self._shape.group - self._shape.keep
        full = self._removed_of[self._all, groups] >= most
        self._barred |= full[:, None] & (self._names // self._shape.group == groups[:, None])

    def _shrink(self) -> None:
        """Brings the inverse up to date and leaves out what is gone."""
        count = len(self._all)
        left = np.nonzero(~self._gone)[1].reshape(count, -1)
        columns = np.arange(self._shape.columns)
        places = (left[:, :, None] * self._shape.columns + columns).reshape(count, -1)
        used = self._vectors[:, : self._taken * self._shape.columns]
        updated = np.empty((count, places.shape[1], places.shape[1]))
        for strip, kept in enumerate(places):
            vectors = used[strip][:, kept]  # one array, so that half of the product is saved
            np.subtract(
                self._inverse[strip][np.ix_(kept, kept)], vectors.T @ vectors, out=updated[strip]
            )
        self._inverse = updated
        self._weights = np.take_along_axis(self._weights, places[:, None, :], axis=2)
        self._names = np.take_along_axis(self._names, left, axis=1)
        self._barred = np.take_along_axis(self._barred, left, axis=1)
        self._start()
