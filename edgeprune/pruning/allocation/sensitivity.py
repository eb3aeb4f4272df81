"""The allocation ``sensitivity``: as many zeros as ``uniform``, where they hurt least."""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.pruning.allocation.base import ALLOCATIONS, Candidate, curves
from edgeprune.pruning.budget.curve_choice import Budget, shares_within


@ALLOCATIONS.register
def sensitivity(candidates: Sequence[Candidate], sparsity: float) -> dict[str, float]:
    """Chooses a point of each layer's curve: the least total loss for the weights that are left.

    Losses of layers are added up, see :mod:`edgeprune.pruning.budget.least_loss`.

    Raises:
        ModelError: A layer has no curve.
    """
    shares = shares_within(
        curves(candidates, "sensitivity"), sparsity, kept_weights(candidates, 1 - sparsity)
    )
    return {one.name: share for one, share in zip(candidates, shares, strict=True)}


def kept_weights(candidates: Sequence[Candidate], density: float) -> Budget:
    """As many weights as ``density`` of all."""
    sizes = [one.scores.size for one in candidates]
    measured = curves(candidates, "sensitivity")
    kept = [size * (1 - each.sparsities) for size, each in zip(sizes, measured, strict=True)]
    return Budget(kept, density * sum(sizes))
