"""Keeps the accuracy that the user insists on: what loses more is neither written nor deployed."""

from __future__ import annotations

import dataclasses

from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError, VerifyError
from edgeprune.pipeline.host_half import Compressed, Request, compress
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.tasks import METRICS, ROUNDING, Head, amount_text, check_share, worst_drop


def compress_within_limit(request: Request, cpu: Cpu, progress: Progress) -> Compressed:
    """The host half, with gentler recipes while the test samples say that too much is lost.

    Only the recipe ``auto`` knows gentler ones. Without ``request.max_accuracy_drop`` the first one
    is taken whatever it loses.

    Raises:
        ModelError: As :func:`compress`.
        VerifyError: As :func:`compress`; or the limit cannot be kept.
    """
    from edgeprune.auto.choice import gentler

    limit = request.max_accuracy_drop
    if limit is not None:
        check_share(limit)
    tried: list[str] = []
    while True:
        done = compress(request, cpu, progress)
        if limit is None:
            return done
        head, lost = lost_most(done)
        if lost <= limit + ROUNDING:
            return _with_history(done, tried)
        tried.append(f"{_what(done.recipe)} loses {_amount(done, head, lost)}")
        progress.say(f"{tried[-1]}, more than {amount_text(head.metric, limit)}")
        recipe = gentler(done.recipe, cpu, is_trainable=done.is_trainable)
        if recipe is None:
            raise VerifyError(
                f"--max-accuracy-drop {100 * limit:.6g}% cannot be kept on "
                f"{done.scores['dense'].samples:,} test samples: " + "; ".join(tried)
            )
        why = f"{_what(recipe)}, because {tried[-1]} on the test samples"
        request = dataclasses.replace(request, recipe=dataclasses.replace(recipe, why=why))


def lost_most(done: Compressed) -> tuple[Head, float]:
    """The output whose score on the test samples suffered most, and by how much.

    Raises:
        ModelError: There is no score.
    """
    if done.task is None or "deployed" not in done.scores:
        raise ModelError("--max-accuracy-drop: the data gives nothing to score the model with")
    scores = [done.scores[name].by_head(done.task) for name in ("dense", "deployed")]
    return worst_drop(done.task, scores[0], scores[1])


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
    if recipe.qat.epochs:
        parts.append("trained with rounding")
    return ", ".join(parts) or "float32"


def _amount(done: Compressed, head: Head, lost: float) -> str:
    """What was lost, in words; the output is named where there are several."""
    amount = amount_text(head.metric, lost)
    if METRICS[head.metric].in_points:
        text = amount
    else:
        text = f"{amount} of {METRICS[head.metric].words}"
    is_single = done.task is None or len(done.task.judged) == 1
    return text if is_single else f"{text} ({head.name})"
