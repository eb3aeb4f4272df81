"""The pattern ``4x1``: blocks of 4 consecutive output channels that share an input channel.

XNNPACK's kernel ``32x4`` loads an input once for such a block.
"""

from __future__ import annotations

from edgeprune.artifacts import FloatArray
from edgeprune.prune.blocks import prune_blocks
from edgeprune.prune.patterns.base import PATTERNS, Pruning


@PATTERNS.register
def blocks_of_4(weights: FloatArray, sparsity: float) -> Pruning:
    """Removes whole blocks of 4; see :func:`prune_blocks`.

    Raises:
        ModelError: ``sparsity`` lies outside [0, 1), or a weight is NaN.
    """
    return prune_blocks(weights, sparsity, 4)
