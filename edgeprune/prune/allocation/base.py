"""What an allocation is: a function from layers and a sparsity to each layer's sparsity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeprune.artifacts import FloatArray
from edgeprune.registry import Registry


@dataclass(frozen=True, eq=False)
class Candidate:
    """One layer that may take more or less of the sparsity.

    Attributes:
        name: Of its weights.
        shape: Of the weights as Keras holds them.
        scores: How much each matters, ``(out_channels, in_features)``; comparable between layers.
    """

    name: str
    shape: tuple[int, ...]
    scores: FloatArray


Allocation = Callable[[Sequence[Candidate], float], dict[str, float]]
"""Takes layers and the sparsity over all their weights, in [0, 1); gives one below 1 for each."""

ALLOCATIONS: Registry[Allocation] = Registry("edgeprune.prune.allocation", "allocation")
