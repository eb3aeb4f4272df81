"""Patterns ``RxC``: blocks of R consecutive output channels by C consecutive input channels.

XNNPACK packs a layer in blocks of 2 or 4 output channels where 90 % of the weights in used blocks
are not zero (:func:`edgeprune.prediction.xnnpack.spmm.analyse`). Here every used block of ``2x1``
and ``4x1`` is full, so the test always passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.errors import ModelError
from edgeprune.pruning.highest import keep_highest
from edgeprune.pruning.patterns.base import PATTERNS


@PATTERNS.register
@dataclass(frozen=True)
class Blocks:
    """Blocks of ``rows`` output channels by ``columns`` input channels.

    Attributes:
        rows: R, at least 1.
        columns: C, at least 1.
    """

    rows: int
    columns: int

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise ModelError(f"blocks of {self.rows}x{self.columns} hold nothing")

    def mask(self, scores: FloatArray, sparsity: float, in_channels: int) -> BoolArray:
        """Removes the blocks of lowest total score, whole.

        Channels left over where a block's size does not divide their number form blocks of their
        own size, and the same share of them goes: exactly ``floor(sparsity * n + 0.5)`` of the
        ``n`` blocks of each size, but never all of the whole ones. Ties and time are those of
        :func:`keep_highest`.

        Source: the sum of magnitudes ranks blocks as their mean does, which is the default
        ``block_pooling_type="AVG"`` of tensorflow-model-optimization's ``prune_low_magnitude``;
        blocks along output channels are those of Elsen et al. 2020, "Fast Sparse ConvNets".

        Raises:
            ModelError: ``sparsity`` lies outside [0, 1), a score is NaN, or no block fits.

        >>> scores = np.array([[1, 9], [1, 9], [5, 0], [5, 1], [2, 3]], np.float32)
        >>> Blocks(2, 1).mask(scores, 0.5, 2).astype(int).tolist()
        [[0, 1], [0, 1], [1, 0], [1, 0], [0, 1]]
        """
        out_channels, in_features = scores.shape
        if self.columns > in_channels:
            raise ModelError(
                f"blocks of {self.rows}x{self.columns} do not fit weights of {out_channels} output "
                f"channels by {in_channels} input channels: ignore the layer, or use smaller ones"
            )
        taps = scores.reshape(out_channels, in_features // in_channels, in_channels)
        rows = np.arange(0, out_channels, self.rows)
        columns = np.arange(0, in_channels, self.columns)
        sums = np.add.reduceat(taps, rows, axis=0, dtype=scores.dtype)
        sums = np.add.reduceat(sums, columns, axis=2, dtype=scores.dtype)
        kept = np.empty(sums.shape, np.bool_)
        whole_rows, whole_columns = out_channels // self.rows, in_channels // self.columns
        for down in (slice(whole_rows), slice(whole_rows, None)):
            for across in (slice(whole_columns), slice(whole_columns, None)):
                is_whole = down.stop is not None and across.stop is not None
                kept[down, :, across] = keep_highest(sums[down, :, across], sparsity, int(is_whole))
        wide = np.repeat(kept, self.rows, axis=0)[:out_channels]
        return np.repeat(wide, self.columns, axis=2)[:, :, :in_channels].reshape(scores.shape)

    def finish(self, values: FloatArray, mask: BoolArray) -> FloatArray:
        """Kept weights, and zeros.

        A weight that happens to be zero in a kept block of output channels becomes the smallest
        normal number: too small to change an output, yet no zero, so that the runtime counts the
        block as full. Blocks that hold nothing but zeros are kept as they are, and cost nothing.
        """
        finished = np.where(mask, values, values.dtype.type(0))
        if self.columns == 1:
            starts = np.arange(0, len(values), self.rows)
            used = np.logical_or.reduceat(finished != 0, starts, axis=0)
            wide = np.repeat(used, self.rows, axis=0)[: len(values)]
            finished[mask & wide & (finished == 0)] = np.finfo(values.dtype).smallest_normal
        return finished

    def share(self, sparsity: float) -> float:
        """See :class:`Pattern`."""
        return sparsity
