"""How much better than chance a head answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.tasks import Head
from edgeprune.tasks.metrics import class_numbers, classes_of

SIGMAS = 3.0
"""Standard errors by which a share must lie above chance to be no chance: 99.9 % of guessers are
found out. Source: the normal distribution, one-sided.
"""


EXACT = 1e-4
"""Share of the targets' squares that may be missed where all targets are alike. Source: ours."""


@dataclass(frozen=True)
class Skill:
    """What a head knows.

    Attributes:
        value: 1 for all right, 0 for chance; below that, worse than chance.
        each: How well each sample is answered, ``(n,)``; more is better.
        words: The score, to follow "the model".
        chance_words: What chance would reach.
        may_be_chance: Whether so few samples would be as good by chance.
        has_classes: Whether answers are classes.
    """

    value: float
    each: FloatArray
    words: str
    chance_words: str
    may_be_chance: bool
    has_classes: bool


def skill_of(head: Head, outputs: Array, targets: Array) -> Skill:
    """The skill of a head on some samples.

    Classes: how far agreement with the labels exceeds that of answers dealt out at random, as a
    share of what is possible. Source: Cohen 1960, "A Coefficient of Agreement for Nominal Scales";
    for several labels a sample, agreement and chance are averaged over the labels. Values: R2, so
    that chance is the mean of the targets.

    Args:
        head: One with labels.
        outputs: ``(n, ...)``.
        targets: ``(n, ...)``, as :meth:`edgeprune.tasks.Task.split` gives them.
    """
    if head.task == "regression":
        return _of_values(outputs, targets)
    if head.task == "multilabel":
        answered = outputs.reshape(len(outputs), -1) > head.threshold
        wanted = targets.reshape(answered.shape) > 0.5
        shares = answered.mean(axis=0), wanted.mean(axis=0)
        chance = float(np.mean(shares[0] * shares[1] + (1 - shares[0]) * (1 - shares[1])))
        return _of_shares((answered == wanted).mean(axis=1), chance, "labels")
    answers, labels = classes_of(head, outputs), class_numbers(head, targets)
    known = labels >= 0
    count = int(max(answers.max(initial=0), labels.max(initial=0))) + 1
    held = [np.bincount(one[known & (one >= 0)], minlength=count) for one in (answers, labels)]
    total = max(1, int(known.sum()))
    chance = float((held[0] / total) @ (held[1] / total))
    right = ((answers == labels) & known).reshape(len(outputs), -1).sum(axis=1)
    each = right / np.maximum(1, known.reshape(len(outputs), -1).sum(axis=1))
    return _of_shares(each, chance, "pixels" if head.task == "segmentation" else "")


def _of_shares(each: Array, chance: float, of: str) -> Skill:
    """Of the share of each sample that is right."""
    count, right = len(each), float(each.mean())
    value = (right - chance) / (1 - chance) if chance < 1 else 1.0
    error = math.sqrt(max(chance * (1 - chance), 0.0) / count)
    what = f"{of} of {count:,} test samples" if of else f"{count:,} test samples"
    return Skill(
        value,
        np.asarray(each, np.float32),
        f"is right on {right:.1%} of {'the ' if of else ''}{what}",
        f"chance, {chance:.1%}",
        right <= chance + SIGMAS * error,
        has_classes=True,
    )


def _of_constant(y: Array, missed: float, each: Array) -> Skill:
    """Of targets that are all alike: whoever does not answer with them is worse than their mean."""
    size = float(np.square(y).sum())
    is_right = missed <= EXACT * (size or len(y))
    return Skill(
        1.0 if is_right else -math.inf,
        np.asarray(each, np.float32),
        f"misses targets that never change by {math.sqrt(missed / y.size):.4g}",
        "their mean",
        not is_right,
        has_classes=False,
    )


def _of_values(outputs: Array, targets: Array) -> Skill:
    y = targets.reshape(len(targets), -1).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.square(outputs.reshape(y.shape).astype(np.float64) - y)
        missed, spread = float(squared.sum()), float(np.square(y - y.mean(axis=0)).sum())
        each = -np.nan_to_num(squared.mean(axis=1), nan=np.inf, posinf=np.inf)
    value = 1 - missed / spread if spread and math.isfinite(missed) else -math.inf
    if not spread:
        return _of_constant(y, missed, each)
    return Skill(
        value,
        np.asarray(each, np.float32),
        f"has R2 {value:.3g} on {len(y):,} test samples",
        "the mean of the targets, R2 0",
        value <= 0,
        has_classes=False,
    )
