"""The allocation ``global``: the lowest scores go, in whatever layer they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeprune.pruning.allocation.base import ALLOCATIONS, Candidate
from edgeprune.pruning.highest import keep_highest

LARGEST = 0.98
"""Most that a layer gives up, so that none is cut through. Source: ours."""


@ALLOCATIONS.register
def over_all_layers(candidates: Sequence[Candidate], sparsity: float) -> dict[str, float]:
    """Ranks the scores of all layers together.

    A layer that would lose more than :data:`LARGEST` keeps its rest, and the others give more.

    Raises:
        ModelError: A score is NaN.
    """
    total = sum(one.scores.size for one in candidates)
    shares: dict[str, float] = {}
    rest = list(candidates)
    while rest:
        fixed = LARGEST * sum(one.scores.size for one in candidates if one.name in shares)
        size = sum(one.scores.size for one in rest)
        wanted = min(LARGEST, max(0.0, (sparsity * total - fixed) / size))
        kept = keep_highest(np.concatenate([one.scores.reshape(-1) for one in rest]), wanted)
        parts = np.split(kept, np.cumsum([one.scores.size for one in rest])[:-1])
        sparsities = {
            one.name: 1 - float(part.mean()) for one, part in zip(rest, parts, strict=True)
        }
        over = [name for name, share in sparsities.items() if share > LARGEST]
        if not over:
            return shares | sparsities
        shares |= dict.fromkeys(over, LARGEST)
        rest = [one for one in rest if one.name not in shares]
    return shares
