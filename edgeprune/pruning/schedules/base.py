"""The registry of schedules; what a schedule is, :mod:`edgeprune.training.schedule` says."""

from __future__ import annotations

from edgeprune.recipe.prune_parts import SCHEDULES as ROWS
from edgeprune.registry import Registry

SCHEDULES: Registry[type] = Registry("edgeprune.pruning.schedules", "schedule", ROWS)
"""Classes that are made of the recipe's table ``[prune]`` and the number of steps an epoch has."""
