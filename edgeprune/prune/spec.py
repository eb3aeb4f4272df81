"""How to prune: the recipe's table, checked."""

from __future__ import annotations

from edgeprune.errors import ModelError
from edgeprune.recipe import (
    ALLOCATIONS,
    CRITERIA,
    LAYERS,
    PATTERNS_HELP,
    REWINDS,
    SCHEDULES,
    PruneTable,
    criterion_faults,
    distillation_faults,
    is_pattern,
)

PruneSpec = PruneTable
"""Fields and defaults are those of the recipe's table ``[prune]``."""

MEASURED_ALLOCATIONS = ("sensitivity", "cost_aware")
"""Allocations that measure what pruning each layer costs, and so need data."""


def check(spec: PruneSpec) -> None:
    """Checks a spec that no recipe checked before.

    Raises:
        ModelError: A value lies outside its range.
    """
    if not 0 <= spec.sparsity < 1:  # also false for NaN
        raise ModelError(f"sparsity must be in [0, 1), got {spec.sparsity:g}")
    if not is_pattern(spec.pattern):
        raise ModelError(f"no pattern is called {spec.pattern!r}; there are {PATTERNS_HELP}")
    choices: dict[str, tuple[str, ...]] = {"allocation": ALLOCATIONS, "layers": LAYERS}
    choices |= {"schedule": SCHEDULES, "rewind": REWINDS, "criterion": CRITERIA}
    for key, known in choices.items():
        if getattr(spec, key) not in known:
            raise ModelError(f"{key} must be one of {', '.join(known)}, got {getattr(spec, key)!r}")
    wrong = criterion_faults(spec) + distillation_faults("", spec.distillation, spec.temperature)
    if wrong:
        raise ModelError("; ".join(wrong))
    least = int(spec.schedule != "one_shot")
    if spec.epochs < least or spec.batch_size < 1:
        raise ModelError(
            f"epochs must be >= {least} with the schedule {spec.schedule}, and batch_size >= 1, "
            f"got {spec.epochs} and {spec.batch_size}"
        )
    if spec.calibration_samples < 1:
        raise ModelError(f"calibration_samples must be >= 1, got {spec.calibration_samples}")
    if spec.rounds < 1 or spec.rewind_step < 0:
        raise ModelError(
            f"rounds must be >= 1 and rewind_step >= 0, got {spec.rounds} and {spec.rewind_step}"
        )
    if not 0 < spec.learning_rate < float("inf"):
        raise ModelError(f"learning_rate must be > 0 and finite, got {spec.learning_rate:g}")
