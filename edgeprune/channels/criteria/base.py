"""What a criterion is: a function from a group to a score for each of its units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.channels.evidence import Evidence, Scores
from edgeprune.channels.groups import Group, Member
from edgeprune.registry import Registry

Criterion = Callable[[Group, Evidence], Scores | None]
"""Scores ``(units,)``, not negative, the lowest go first; None where it has nothing to go by."""

Scorer = Callable[[Group], Scores | None]
"""A criterion of the user's own, with any evidence that it needs already at hand: a member knows
its variable, and orders any array of the variable's shape by unit."""

CRITERIA: Registry[Criterion] = Registry("edgeprune.channels.criteria", "criterion")


def mean_of_members(members: Sequence[Member], norm: Callable[[Array], Scores]) -> Scores | None:
    """Mean over members of their norms, each divided by its own mean over the units.

    So a large kernel does not outvote a small one, and groups can be compared. Units which are all
    zero score 0.

    Source: Fang et al. 2023, "DepGraph", section 3.4, without its learned sparsity; the
    normalization is that of Torch-Pruning's ``GroupMagnitudeImportance``.

    Args:
        members: What to look at; none gives None.
        norm: From ``(units, k)`` to ``(units,)``.
    """
    scores = []
    for member in members:
        values = norm(member.per_unit(np.asarray(member.variable.numpy(), dtype=np.float64)))
        mean = values.mean()
        scores.append(values / mean if mean > 0 else values)
    return np.asarray(np.mean(scores, axis=0)) if scores else None


def kernels(group: Group) -> list[Member]:
    """The kernels which make, filter and read the group's channels."""
    return [m for m in group.members if m.role in ("output", "depthwise", "input")]
