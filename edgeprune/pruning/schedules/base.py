"""The registry of schedules; what a schedule is, :mod:`edgeprune.training.schedule` says."""

from __future__ import annotations

from edgeprune.registry import Registry

SCHEDULES: Registry[type] = Registry("edgeprune.pruning.schedules", "schedule")
"""Classes that are made of the recipe's table ``[prune]`` and the number of steps an epoch has."""
