"""Allocation: how much of the sparsity each layer takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgeprune.errors import ModelError
from edgeprune.pruning.allocation.base import ALLOCATIONS, Candidate

__all__ = ["ALLOCATIONS", "Candidate", "allocate"]


def allocate(
    name: str,
    candidates: Sequence[Candidate],
    sparsity: float,
    limits: Mapping[str, float],
) -> dict[str, float]:
    """Each layer's sparsity, such that together they have the whole model's.

    Args:
        name: The allocation's.
        candidates: The layers to prune.
        sparsity: Share of zeros over all their weights, in [0, 1).
        limits: Most sparsity of single layers, by name; the others then take more.

    Raises:
        ModelError: The limits do not let the sparsity be reached.
    """
    shares = ALLOCATIONS.get(name)(candidates, sparsity)
    total = sum(one.scores.size for one in candidates)
    capped: dict[str, float] = {}
    while over := [k for k, limit in limits.items() if k in shares and shares[k] > limit + 1e-9]:
        capped |= {k: limits[k] for k in over}
        rest = [one for one in candidates if one.name not in capped]
        fixed = sum(one.scores.size * capped[one.name] for one in candidates if one.name in capped)
        left = sum(one.scores.size for one in rest)
        wanted = (sparsity * total - fixed) / max(left, 1)
        if not rest or wanted >= 1:
            most = (fixed + left) / total
            raise ModelError(
                f"a sparsity of {sparsity:.1%} cannot be reached: the limits of "
                f"{', '.join(sorted(capped))} leave room for less than {most:.1%}"
            )
        shares = capped | ALLOCATIONS.get(name)(rest, wanted)
    return {one.name: shares[one.name] for one in candidates}
