"""Which weights of a model are pruned, and how far each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from edgeprune.errors import ModelError
from edgeprune.prune.allocation import Candidate, allocate
from edgeprune.prune.select import matching
from edgeprune.prune.spec import PruneSpec


class Named(Protocol):
    """Anything with the name of a weight tensor."""

    @property
    def name(self) -> str:
        """Layer path and weight name."""


Item = TypeVar("Item", bound=Named)


def wanted(found: Sequence[Item], spec: PruneSpec) -> list[Item]:
    """What is left of the prunable weights without the ignored layers.

    Raises:
        ModelError: A layer's name matches nothing, or nothing is left.
    """
    names = [one.name for one in found]
    ignored = {name for wish in spec.ignored for name in matching(wish, names)}
    left = [one for one in found if one.name not in ignored]
    if not left:
        raise ModelError("nothing is left to prune: every layer is ignored")
    return left


def sparsities(candidates: Sequence[Candidate], spec: PruneSpec) -> dict[str, float]:
    """Each layer's share of zeros.

    Raises:
        ModelError: A limit's name matches nothing, or the limits leave no room.
    """
    names = [one.name for one in candidates]
    limits: dict[str, float] = {}
    for limit in spec.limits:
        limits |= {name: limit.sparsity for name in matching(limit.layer, names)}
    return allocate(spec.allocation, candidates, spec.sparsity, limits)
