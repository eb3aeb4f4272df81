"""What layers cost on a board's core when they are pruned more or less."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeprune.prediction.cost import Costs
from edgeprune.pruning.budget.kernel_pattern import Layer, cost
from edgeprune.recipe.prune_parts import PATTERNS

DoubleArray = NDArray[np.float64]


def layer_costs(
    costs: Costs, layer: Layer, pattern: str, sparsities: Sequence[float] | DoubleArray
) -> DoubleArray | None:
    """Predicted cost of a layer at each sparsity, where a sparse kernel runs it.

    Args:
        costs: On the board's core.
        layer: Any layer.
        pattern: What prunes it.
        sparsities: In [0, 1), rising.

    Returns:
        Never rising; None for a layer without a sparse kernel, or of unknown size.
    """
    if not layer.pixels:
        return None
    block = packed_block(pattern)
    found = np.array([cost(costs, layer, share, block) for share in sparsities])
    return np.minimum.accumulate(found)


def packed_block(pattern: str) -> int:
    """Output channels of the blocks in which XNNPACK will pack a pattern: 1, 2 or 4.

    >>> [packed_block(name) for name in ("unstructured", "2x1", "8x2", "1x4", "2:4")]
    [1, 2, 4, 1, 1]
    """
    match = re.fullmatch(PATTERNS["blocks"].form, pattern)
    rows = int(match.group(1)) if match else 1
    return next(block for block in (4, 2, 1) if rows % block == 0)
