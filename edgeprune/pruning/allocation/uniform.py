"""The allocation ``uniform``: the same sparsity in every layer."""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.pruning.allocation.base import ALLOCATIONS, Candidate


@ALLOCATIONS.register
def uniform(candidates: Sequence[Candidate], sparsity: float) -> dict[str, float]:
    """Gives every layer the whole's sparsity."""
    return {one.name: sparsity for one in candidates}
