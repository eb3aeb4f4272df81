"""How to prune: the recipe's table, checked."""

from __future__ import annotations

from edgeprune.errors import ModelError
from edgeprune.recipe.prune_table import PruneTable, prune_faults

PruneSpec = PruneTable
"""Fields and defaults are those of the recipe's table ``[prune]``."""


def check(spec: PruneSpec) -> None:
    """Checks a spec that no recipe checked before.

    Raises:
        ModelError: A value lies outside its range.
    """
    if wrong := prune_faults(spec):
        raise ModelError("; ".join(wrong))
