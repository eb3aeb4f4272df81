"""What an allocation is: a function from layers and a sparsity to each layer's sparsity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.errors import ModelError
from edgeprune.pruning.budget.curve import Curve
from edgeprune.recipe.prune_parts import ALLOCATIONS as ROWS
from edgeprune.registry import Registry


@dataclass(frozen=True, eq=False)
class Candidate:
    """One layer that may take more or less of the sparsity.

    Attributes:
        name: Name of the layer's weights.
        shape: Shape of the weights as Keras holds them.
        scores: How much each matters, ``(out_channels, in_features)``; comparable between layers.
        curve: What pruning it does, measured; None where nothing was measured.
    """

    name: str
    shape: tuple[int, ...]
    scores: FloatArray
    curve: Curve | None = None


Allocation = Callable[[Sequence[Candidate], float], dict[str, float]]
"""Takes layers and the sparsity over all their weights, in [0, 1); gives one below 1 for each."""

ALLOCATIONS: Registry[Allocation] = Registry("edgeprune.pruning.allocation", "allocation", ROWS)


def curves(candidates: Sequence[Candidate], allocation: str) -> list[Curve]:
    """Each layer's curve.

    Raises:
        ModelError: One has none.
    """
    measured = [one.curve for one in candidates if one.curve is not None]
    if len(measured) < len(candidates):
        raise ModelError(
            f"the allocation {allocation} measures what pruning each layer costs: it needs a Keras "
            "model and training data (--data); uniform, global and erk need none"
        )
    return measured
