"""The allocation ``erk``: the smaller a layer's sides beside its size, the denser it stays."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeprune.pruning.allocation.base import ALLOCATIONS, Candidate


@ALLOCATIONS.register
def erk(candidates: Sequence[Candidate], sparsity: float) -> dict[str, float]:
    """Erdos-Renyi-Kernel: density in proportion to the sum of a kernel's sides over their product.

    Layers for which that would exceed 1 stay dense, and the others give more.

    Source: Evci et al. 2020, "Rigging the Lottery", section 3 (1); Mocanu et al. 2018 for dense
    layers.
    """
    kept = (1 - sparsity) * sum(one.scores.size for one in candidates)
    dense: set[str] = set()
    while True:
        rest = [one for one in candidates if one.name not in dense]
        raw = {one.name: sum(one.shape) / math.prod(one.shape) for one in rest}
        left = kept - sum(one.scores.size for one in candidates if one.name in dense)
        scale = left / max(sum(raw[one.name] * one.scores.size for one in rest), 1e-30)
        over = {name for name, value in raw.items() if scale * value > 1}
        if not over:
            shares = {name: 1 - scale * value for name, value in raw.items()}
            return shares | dict.fromkeys(dense, 0.0)
        dense |= over
