"""Pruning in blocks of consecutive output channels that share one input channel.

XNNPACK packs a layer in blocks where 90 % of the weights in used blocks are not zero
(:func:`edgeprune.explain.spmm.analyse`). Here every used block is full, so the test always passes.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts import BoolArray, FloatArray
from edgeprune.prune.magnitude import magnitude_mask
from edgeprune.prune.patterns.base import Pruning


def prune_blocks(weights: FloatArray, sparsity: float, block: int) -> Pruning:
    """Removes the blocks of smallest L1 norm, whole.

    Channels left over where ``block`` does not divide their number form blocks of their own
    size, and the same share of them goes: exactly ``floor(sparsity * n + 0.5)`` of ``n`` full
    blocks, and of the partial ones. Ties and time are those of :func:`magnitude_mask`.

    A weight that happens to be zero in a kept block becomes the smallest normal number: too small
    to change an output, yet no zero, so that the runtime counts the block as full. Blocks that
    hold nothing but zeros are kept as they are, and cost nothing.

    Source: the sum of magnitudes ranks blocks as their mean does, which is the default
    ``block_pooling_type="AVG"`` of tensorflow-model-optimization's ``prune_low_magnitude``;
    blocks along output channels are those of Elsen et al. 2020, "Fast Sparse ConvNets".

    Args:
        weights: Shape ``(out_channels, in_channels)``; finite.
        sparsity: Share to remove, in [0, 1).
        block: Output channels in a block.

    Raises:
        ModelError: ``sparsity`` lies outside [0, 1), or a weight is NaN.

    >>> weights = np.array([[1, 9], [1, 9], [5, 0], [5, 1], [2, 3]], np.float32)
    >>> prune_blocks(weights, 0.5, 2).mask.astype(int).tolist()
    [[0, 1], [0, 1], [1, 0], [1, 0], [0, 1]]
    """
    magnitudes = np.abs(weights)
    scores = _block_sums(magnitudes, block)
    whole = len(weights) // block
    mask = np.concatenate(
        [magnitude_mask(scores[:whole], sparsity), magnitude_mask(scores[whole:], sparsity)]
    )
    kept = _channels(mask, block, len(weights))
    used = kept & _channels(scores > 0, block, len(weights))
    values = np.where(kept, weights, weights.dtype.type(0))
    values[used & (values == 0)] = np.finfo(weights.dtype).smallest_normal
    return Pruning(values, kept)


def _block_sums(magnitudes: FloatArray, block: int) -> FloatArray:
    """Sum over each block, shape ``(blocks, in_channels)``; the last one may be partial."""
    starts = np.arange(0, len(magnitudes), block)
    return np.add.reduceat(magnitudes, starts, axis=0, dtype=magnitudes.dtype)


def _channels(blocks: BoolArray, block: int, out_channels: int) -> BoolArray:
    """Spreads a value per block over the block's output channels."""
    return np.repeat(blocks, block, axis=0)[:out_channels]
