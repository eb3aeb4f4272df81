"""Keeps the accuracy that the user insists on: what loses more is neither written nor deployed."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from edgeprune.devices.boards import Cpu
from edgeprune.errors import VerifyError
from edgeprune.pipeline.compressed import Compressed, lost_most
from edgeprune.pipeline.decision import searches
from edgeprune.pipeline.host_half import compress
from edgeprune.pipeline.read import read_model, scored_apart
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.searched import compress_searched
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.tasks import METRICS, ROUNDING, Head, amount_text, check_share

_LARGEST_SUGGESTED = 0.1
"""Of a limit; what loses more is of no use to anybody. Source: ours."""


@dataclass(frozen=True)
class _Attempt:
    """A recipe that lost more than the limit.

    Attributes:
        compressed: What it made.
        lost: What was lost, as :func:`edgeprune.tasks.limit.drop` measures it.
        line: What lost how much, in words.
    """

    compressed: Compressed
    lost: float
    line: str


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
    read = read_model(request, progress)
    if searches(request, read.data, read.score):
        searched = compress_searched(request, cpu, read, progress)
        if searched is not None:
            return searched
    if request.recipe.verify.score_apart:
        read = scored_apart(read)
    attempts: list[_Attempt] = []
    while True:
        compressed = compress(request, cpu, progress, read)
        if limit is None:
            return compressed
        head, lost = lost_most(compressed)
        if lost <= limit + ROUNDING:
            return _with_history(compressed, attempts)
        line = f"{_what(compressed.recipe)} loses {_amount(compressed, head, lost)}"
        attempts.append(_Attempt(compressed, lost, line))
        progress.say(f"{line}, more than {amount_text(head.metric, limit)}")
        recipe = gentler(compressed.recipe, cpu, is_trainable=compressed.is_trainable)
        if recipe is None:
            raise VerifyError(_refusal(limit, attempts))
        why = f"{_what(recipe)}, because {line} on the test samples"
        request = dataclasses.replace(request, recipe=dataclasses.replace(recipe, why=why))


def _refusal(limit: float, attempts: list[_Attempt]) -> str:
    """What was tried, which attempt came closest, and what would help."""
    first = attempts[0].compressed
    samples = first.scores[first.first_score].samples
    closest = min(attempts, key=lambda attempt: attempt.lost)
    differ = len({f"{attempt.lost:.3g}" for attempt in attempts}) > 1
    nearest = f"; closest: {_what(closest.compressed.recipe)}" if differ else ""
    return (
        f"--max-accuracy-drop {100 * limit:.6g}% cannot be kept on {samples:,} test samples: "
        f"{_lines(attempts)}{nearest}; what would help: {_remedies(closest, attempts)}"
    )


def _remedies(closest: _Attempt, attempts: list[_Attempt]) -> str:
    """What the user can change, the least costly for the accuracy first."""
    recipe, remedies = closest.compressed.recipe, []
    if line := closest.compressed.precision_remedy:
        remedies.append(f"[quantize] with {line}")
    if recipe.prune.sparsity:
        remedies.append("a lower --sparsity")
    if closest.compressed.is_trainable:
        remedies.append("more training data or epochs")
    elif closest.compressed.loaded.source.format == "tflite":
        remedies.append("the Keras model (it can be trained, a .tflite file cannot)")
    else:
        remedies.append("training samples in --data")
    if all(attempt.compressed.recipe.quantize.mode != "none" for attempt in attempts):
        remedies.append("--quantize none")
    if closest.lost <= _LARGEST_SUGGESTED:
        percent = math.ceil(round(1000 * closest.lost, 6)) / 10
        remedies.append(f"--max-accuracy-drop {percent:g}%")
    return ", ".join(remedies[:-1]) + " or " * (len(remedies) > 1) + remedies[-1]


def _lines(attempts: list[_Attempt]) -> str:
    return "; ".join(attempt.line for attempt in attempts)


def _with_history(compressed: Compressed, attempts: list[_Attempt]) -> Compressed:
    """Says that test samples had a part in the choice, where they did."""
    if not attempts:
        return compressed
    line = f"the accuracy limit chose among recipes by the test samples: {_lines(attempts)}"
    return dataclasses.replace(compressed, notes=(*compressed.notes, line))


def _what(recipe: Recipe) -> str:
    parts = []
    if recipe.prune.sparsity:
        parts.append(f"{recipe.prune.sparsity:.0%} sparse, pattern {recipe.prune.pattern}")
    if recipe.quantize.mode != "none":
        parts.append(recipe.quantize.mode)
    if recipe.qat.epochs:
        parts.append("trained with rounding")
    return ", ".join(parts) or "float32"


def _amount(compressed: Compressed, head: Head, lost: float) -> str:
    """What was lost, in words; the output is named where there are several."""
    amount = amount_text(head.metric, lost)
    if METRICS[head.metric].in_points:
        text = amount
    else:
        text = f"{amount} of {METRICS[head.metric].words}"
    is_single = compressed.task is None or len(compressed.task.judged) == 1
    return text if is_single else f"{text} ({head.name})"
