"""Metrics: how good a head's answers are, summed up piece by piece.

Each metric is a sum over samples, ``sums``, and a ``value`` of that sum, so that answers need not
be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeprune.tasks.head import Array, Head, Task
from edgeprune.tasks.vocabulary import AGREEMENT

Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        words: Its name in a sentence.
        higher_is_better: Whether a higher score is a better one.
        is_share: Whether it lies in [0, 1] and is shown in percent.
        in_points: Whether a limit counts in points; others count as a share of the dense model's
            own score.
        sums: Of a head, its outputs ``(n, ...)`` and targets ``(n, ...)``.
        value: The score, of the sums.
    """

    words: str
    higher_is_better: bool
    is_share: bool
    in_points: bool
    sums: Callable[[Head, Array, Array], Sums]
    value: Callable[[Sums], float]


def classes_of(head: Head, outputs: Array) -> Array:
    """The class that each row of outputs stands for; -1 where an output is no number."""
    rows = outputs.reshape(-1, head.channels)
    single = head.channels == 1
    answers = (rows[:, 0] > head.threshold).astype(np.int64) if single else rows.argmax(axis=1)
    return np.where(np.isnan(rows).any(axis=1), -1, answers)


def class_numbers(head: Head, targets: Array) -> Array:
    """Targets as class numbers, also where they are shares of classes."""
    if head.task == "classification" and head.target_shape:
        return np.asarray(targets.reshape(-1, head.channels).argmax(axis=1))
    return np.asarray(targets).reshape(-1).astype(np.int64)


def _right(head: Head, outputs: Array, targets: Array) -> Sums:
    labels = class_numbers(head, targets)
    counted = labels >= 0
    right = (classes_of(head, outputs) == labels)[counted]
    return np.array([right.sum(), right.size], np.float64)


def _overlap(head: Head, outputs: Array, targets: Array) -> Sums:
    """Pixels ``(3, classes)``: in both, in the answers, in the labels."""
    labels, answers = class_numbers(head, targets), classes_of(head, outputs)
    counted = labels >= 0
    labels, answers = labels[counted], answers[counted]
    both = labels[labels == answers]
    parts = (both, answers[answers >= 0], labels)
    return np.stack([np.bincount(one, minlength=head.classes) for one in parts]).astype(np.float64)


def _mean_iou(sums: Sums) -> float:
    """Mean over the classes that the labels hold of intersection over union."""
    both, answers, labels = sums
    held = labels > 0
    if not held.any():
        return float("nan")
    return float((both[held] / (answers + labels - both)[held]).mean())


def _positives(head: Head, outputs: Array, targets: Array) -> Sums:
    """Entries ``(3, labels)``: rightly found, found, to be found."""
    answers = outputs.reshape(-1, head.channels) > head.threshold
    wanted = targets.reshape(-1, head.channels) > 0.5
    parts = (answers & wanted, answers, wanted)
    return np.stack([part.sum(axis=0) for part in parts]).astype(np.float64)


def _f1_macro(sums: Sums) -> float:
    """Mean of F1 over the labels that the samples hold: a rare label counts as much as any."""
    right, answered, wanted = sums
    held = wanted > 0
    if not held.any():
        return float("nan")
    return float((2 * right[held] / (answered + wanted)[held]).mean())


def _f1_micro(sums: Sums) -> float:
    right, answered, wanted = sums.sum(axis=1)
    return float(2 * right / (answered + wanted)) if answered + wanted else float("nan")


def _label_accuracy(head: Head, outputs: Array, targets: Array) -> Sums:
    rows = outputs.reshape(-1, head.channels)
    same = (rows > head.threshold) == (targets.reshape(rows.shape) > 0.5)
    return np.array([(same & ~np.isnan(rows)).sum(), same.size], np.float64)


def _moments(head: Head, outputs: Array, targets: Array) -> Sums:
    """For each value ``(5, values)``: squared and absolute errors, y, y squared, how many."""
    y = targets.reshape(len(targets), -1).astype(np.float64)
    error = outputs.reshape(y.shape).astype(np.float64) - y
    with np.errstate(over="ignore", invalid="ignore"):
        parts = (np.square(error), np.abs(error), y, np.square(y), np.ones_like(y))
        return np.stack([part.sum(axis=0) for part in parts])


def _mean_of(row: int) -> Callable[[Sums], float]:
    return lambda sums: float(sums[row].sum() / sums[4].sum())


def _r2(sums: Sums) -> float:
    """1 less the share of the targets' squared deviations from their means that is missed."""
    squared, _, y, y_squared, count = sums
    total = float(np.maximum(y_squared - np.square(y) / count, 0).sum())
    missed = float(squared.sum())
    if not total:
        return 1.0 if not missed else float("-inf")
    return 1 - missed / total


def _agreement(head: Head, outputs: Array, targets: Array) -> Sums:
    """The same class where the head gives probabilities of classes, else as for r2."""
    if head.is_taught:
        return _right(head, outputs, targets)
    if head.gives != "softmax":
        return _moments(head, outputs, targets)
    same = classes_of(head, outputs) == classes_of(head, targets)
    return np.array([same.sum(), same.size], np.float64)


def _share(sums: Sums) -> float:
    return float(sums[0] / sums[1]) if sums[1] else float("nan")


def _agreement_value(sums: Sums) -> float:
    return _share(sums) if sums.ndim == 1 else _r2(sums)


METRICS = {
    "top1": Metric("top1", True, True, True, _right, _share),
    "f1_macro": Metric("mean F1 of the labels", True, True, False, _positives, _f1_macro),
    "f1_micro": Metric("F1 over all labels", True, True, False, _positives, _f1_micro),
    "label_accuracy": Metric("label accuracy", True, True, False, _label_accuracy, _share),
    "mean_iou": Metric("mean IoU", True, True, False, _overlap, _mean_iou),
    "pixel_accuracy": Metric("pixel accuracy", True, True, False, _right, _share),
    "mse": Metric("mean squared error", False, False, False, _moments, _mean_of(0)),
    "mae": Metric("mean absolute error", False, False, False, _moments, _mean_of(1)),
    "rmse": Metric(
        "root mean squared error",
        False,
        False,
        False,
        _moments,
        lambda sums: float(np.sqrt(_mean_of(0)(sums))),
    ),
    "r2": Metric("R2", True, False, False, _moments, _r2),
    AGREEMENT: Metric(
        "agreement with the dense network", True, True, False, _agreement, _agreement_value
    ),
}
"""Every metric by its word."""


class Scorer:
    """Scores the heads of a task, a batch at a time.

    Args:
        task: The task.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._sums: dict[str, Sums] = {}

    def add(self, outputs: Sequence[Array], targets: Sequence[Array | None]) -> None:
        """Counts some samples.

        Args:
            outputs: One array per head.
            targets: Likewise; the dense network's answers for a head without labels. A head whose
                entry is None is left out.
        """
        for head, answers, wanted in zip(self._task.heads, outputs, targets, strict=True):
            if wanted is None or not len(wanted):
                continue
            self._add(head, answers, wanted)
            for k, value in enumerate(head.values()):
                self._add(value, *(_value(one, head, k) for one in (answers, wanted)))

    def _add(self, head: Head, answers: Array, wanted: Array) -> None:
        found = METRICS[head.metric].sums(head, answers, wanted)
        self._sums[head.name] = self._sums.get(head.name, np.float64(0)) + found

    def scores(self) -> dict[str, float]:
        """By the names of :attr:`Task.judged`; NaN where no sample has anything to score."""
        return {
            head.name: METRICS[head.metric].value(self._sums[head.name])
            for head in self._task.judged
            if head.name in self._sums
        }


def _value(rows: Array, head: Head, k: int) -> Array:
    """One value of each place of a head's rows ``(n, places)``."""
    return np.asarray(rows.reshape(len(rows), -1, head.channels)[:, :, k])


def score_text(metric: str, value: float) -> str:
    """A score as shown.

    >>> score_text("top1", 0.992), score_text("mae", 2.3141)
    ('99.20%', '2.314')
    """
    return f"{value:.2%}" if METRICS[metric].is_share else f"{value:.4g}"


def amount_text(metric: str, drop: float) -> str:
    """What was lost, as :func:`edgeprune.tasks.limit.drop` counts it.

    >>> amount_text("top1", 0.0123), amount_text("mae", 0.04)
    ('1.23 points', '4.00%')
    """
    if METRICS[metric].in_points:
        return f"{100 * drop:.2f} points"
    return f"{100 * drop:.2f}%"
