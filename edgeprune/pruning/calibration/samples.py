"""Draws calibration samples from the user's data, and checks that the model knows such samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.artifacts.dataset import Dataset, TrainingData
from edgeprune.errors import ModelError
from edgeprune.recipe.prune_parts import CRITERIA
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.tasks.metrics import classes_of
from edgeprune.training.capture import Calibration, answers
from edgeprune.training.training_data import known_data

LEAST_LABELS = 50
"""Fewer labels tell nothing about an accuracy. Source: ours."""

SIGMAS = 2.0
"""Standard errors by which an accuracy must lie above chance: 98 % of guessers are found out.

Source: the normal distribution, one-sided.
"""

ALIKE = 1e-6
"""Outputs that differ by a smaller share of their size do not vary. Source: float32's precision."""


def calibration(
    data: Dataset | None, spec: PruneTable, training: TrainingData | None = None
) -> Calibration | None:
    """Training samples drawn by the seed, with their targets where there are some.

    Args:
        data: The user's.
        spec: The criterion, how many samples, and the seed.
        training: What of the data there is to train with, or None.

    Returns:
        None where there are none, and the criterion can do without.

    Raises:
        ModelError: The criterion needs samples, or labels, that are not there.
    """
    looks_at = CRITERIA[spec.criterion].looks_at
    x = None if data is None else data.x_train
    if data is None or x is None or not len(x):
        if looks_at != "nothing":
            got = "no data" if data is None else f"{data.source} without training samples"
            raise ModelError(
                f"the criterion {spec.criterion} looks at training samples, and got {got}: give "
                "data with x_train, or use the criterion magnitude"
            )
        return None
    y = None if training is None else training.y
    if y is None and looks_at == "labels":
        raise ModelError(
            f"the criterion {spec.criterion} looks at the loss, and {data.source} has no y_train: "
            "give labels, or use the criterion wanda"
        )
    chosen = np.random.default_rng(spec.seed).permutation(len(x))[: spec.calibration_samples]
    chosen = np.sort(chosen)
    if training is None or y is None:
        return Calibration(x[chosen])
    return Calibration(x[chosen], y[chosen], training.task)


def check_samples(model: Any, calibration: Calibration) -> None:
    """Checks that samples are what the model was trained on, as far as its answers tell.

    Source: chance agreement of answers and labels is that of Cohen 1960, "A Coefficient of
    Agreement for Nominal Scales".

    Args:
        model: The dense model, with one input.
        calibration: Samples, and labels or None.

    Raises:
        ModelError: Samples or answers are not finite, all answers are the same, or they agree with
            the labels no better than by chance.
    """
    x = calibration.x
    if not np.isfinite(x).all():
        raise ModelError("calibration samples hold NaN or infinity: leave such samples out")
    outputs = _answers(model, x)
    scale = (
        f"their values lie in {float(x.min()):g} to {float(x.max()):g}; give samples in the range "
        "that the model was trained on"
    )
    if not np.isfinite(outputs).all():
        raise ModelError(f"the model answers calibration samples with NaN or infinity: {scale}")
    if len(outputs) > 1 and np.ptp(outputs, axis=0).max() <= ALIKE * np.abs(outputs).max():
        raise ModelError(f"the model answers all {len(x)} calibration samples alike: {scale}")
    y, task = calibration.y, calibration.task
    if y is None or len(outputs) < LEAST_LABELS:
        return
    if task is None:
        known = known_data(model, x, y)
        y, task = known.y, known.task
    head, y = task.heads[0], y[: len(outputs)]
    if head.task != "classification" or head.target_shape or len(task.heads) > 1:
        return
    labels, found = y.reshape(-1).astype(np.int64), classes_of(head, outputs)
    if (labels == labels[0]).all():
        return
    right, chance = float((found == labels).mean()), _chance(found, labels)
    if right <= chance + SIGMAS * math.sqrt(chance * (1 - chance) / len(labels)):
        raise ModelError(
            f"the model is right on {right:.1%} of {len(labels)} calibration samples, and guessing "
            f"would be on {chance:.1%}: {scale}, and the labels that belong to them"
        )


def _answers(model: Any, x: Array) -> FloatArray:
    """All outputs side by side, ``(n, values)``."""
    return np.asarray(answers(model, x), np.float32)


def _chance(answers: Array, labels: Array) -> float:
    """Share of right answers, were they dealt out at random."""
    count = int(max(answers.max(), labels.max())) + 1
    shares = [np.bincount(part, minlength=count) / len(part) for part in (answers, labels)]
    return float(shares[0] @ shares[1])
