"""Keeps the accuracy that the user insists on: what loses more is neither written nor deployed."""

from __future__ import annotations

import dataclasses

from edgeprune.auto import gentler
from edgeprune.board import Cpu
from edgeprune.errors import VerifyError
from edgeprune.pipeline.host_half import Compressed, Request, compress
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.run_artifacts import Accuracy

ROUNDING = 1e-9
"""Two shares of right labels, subtracted, are off by less. Source: float64."""


def compress_within_limit(request: Request, cpu: Cpu, progress: Progress) -> Compressed:
    """The host half, with gentler recipes while the test samples say that too much is lost.

    Only the recipe ``auto`` knows gentler ones. Without ``request.max_accuracy_drop`` the first one
    is taken whatever it loses.

    Raises:
        ModelError: As :func:`compress`.
        VerifyError: As :func:`compress`; or the limit cannot be kept.
    """
    limit = request.max_accuracy_drop
    tried: list[str] = []
    while True:
        done = compress(request, cpu, progress)
        if limit is None:
            return done
        lost = drop(done.scores["dense"], done.scores["deployed"])
        if lost <= limit + ROUNDING:
            return _with_history(done, tried)
        tried.append(f"{_what(done.recipe)} loses {_amount(lost, done.scores['dense'])}")
        progress.say(f"{tried[-1]}, more than {_amount(limit, done.scores['dense'])}")
        recipe = gentler(done.recipe, cpu, is_trainable=done.is_trainable)
        if recipe is None:
            score = done.scores["dense"]
            raise VerifyError(
                f"--max-accuracy-drop {limit:g} cannot be kept on {score.samples:,} test samples: "
                + "; ".join(tried)
            )
        why = f"{_what(recipe)}, because {tried[-1]} on the test samples"
        request = dataclasses.replace(request, recipe=dataclasses.replace(recipe, why=why))


def drop(dense: Accuracy, deployed: Accuracy) -> float:
    """Accuracy that was lost: a share of right labels, or an increase of the mean squared error."""
    sign = 1 if dense.metric == "top1" else -1
    return sign * (dense.value - deployed.value)


def _with_history(done: Compressed, tried: list[str]) -> Compressed:
    """Says that test samples had a part in the choice, where they did."""
    if not tried:
        return done
    line = "the accuracy limit chose among recipes by the test samples: " + "; ".join(tried)
    return dataclasses.replace(done, notes=(*done.notes, line))


def _what(recipe: Recipe) -> str:
    parts = []
    if recipe.prune.sparsity:
        parts.append(f"{recipe.prune.sparsity:.0%} sparse, pattern {recipe.prune.pattern}")
    if recipe.quantize.mode != "none":
        parts.append(recipe.quantize.mode)
    if recipe.quantize.qat_epochs:
        parts.append("trained with rounding")
    return ", ".join(parts) or "float32"


def _amount(lost: float, score: Accuracy) -> str:
    return f"{100 * lost:.2f} points" if score.metric == "top1" else f"{score.metric} {lost:.4g}"
