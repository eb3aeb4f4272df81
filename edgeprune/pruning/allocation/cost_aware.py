"""The allocation ``cost_aware``: as fast on the board as ``uniform``, with the least loss."""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.pruning.allocation.base import ALLOCATIONS, Candidate, curves
from edgeprune.pruning.allocation.sensitivity import kept_weights, sensitivity
from edgeprune.pruning.budget.curve_choice import Budget, shares_within

MIN_CLUSTER_SPARSITY = 0.67
"""Share of zeros that layers which run sparse have together, at least.

XNNPACK runs a cluster dense unless more than two thirds of its weights are zero; what is above
that covers the rounding of shares to whole weights and blocks.
Source: XNNPACK ``xnn_subgraph_rewrite_for_nchw`` in ``src/subgraph.c``; the rest is ours.
"""


@ALLOCATIONS.register
def cost_aware(candidates: Sequence[Candidate], sparsity: float) -> dict[str, float]:
    """Chooses a point of each layer's curve: the least total loss at no more than uniform's cost.

    Layers that no sparse kernel runs cost the same however sparse they are, and take the recipe's
    sparsity; if there are no others, zeros are placed as ``sensitivity`` does. The others count as
    one cluster, which keeps enough zeros to run sparse at all; where the recipe's sparsity is below
    that they run dense in any case, and zeros are placed likewise.

    Losses of layers are added up, see :mod:`edgeprune.pruning.budget.least_loss`.

    Raises:
        ModelError: A layer has no curve.
    """
    measured = curves(candidates, "cost_aware")
    priced = [one for one, each in zip(candidates, measured, strict=True) if each.costs is not None]
    if not priced:
        return sensitivity(candidates, sparsity)
    shares = {one.name: sparsity for one in candidates}
    if sparsity <= MIN_CLUSTER_SPARSITY:
        return shares | sensitivity(priced, sparsity)
    measured = curves(priced, "cost_aware")
    costs = [each.costs for each in measured if each.costs is not None]
    budget = Budget(costs, sum(each.cost(sparsity) for each in measured))
    chosen = shares_within(
        measured, sparsity, budget, kept_weights(priced, 1 - MIN_CLUSTER_SPARSITY)
    )
    return shares | {one.name: share for one, share in zip(priced, chosen, strict=True)}
