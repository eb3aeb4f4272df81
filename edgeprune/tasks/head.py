"""A task: one head for each output of the network, and the words for what it may be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Kind = Literal["classification", "multilabel", "segmentation", "regression", "none"]
Gives = Literal["softmax", "sigmoid", "tanh", "logits", "values"]

TASKS = ("classification", "multilabel", "segmentation", "regression")
"""Words of ``--task``."""

LOSSES = {
    "classification": ("categorical_crossentropy", "binary_crossentropy", "mse"),
    "segmentation": ("categorical_crossentropy", "binary_crossentropy", "mse"),
    "multilabel": ("binary_crossentropy", "mse"),
    "regression": ("mse", "mae", "huber"),
}
"""Words of ``--loss`` for each task."""

AGREEMENT = "agreement"
"""The metric of a head without labels: how far it answers as the dense network does."""

TASK_METRICS = {
    "classification": ("top1",),
    "segmentation": ("mean_iou", "pixel_accuracy"),
    "multilabel": ("f1_macro", "f1_micro", "label_accuracy"),
    "regression": ("mse", "mae", "rmse", "r2"),
    "none": (AGREEMENT,),
}
"""Words of ``--metric`` for each task; the first one is taken where nobody says another.

Multi-label networks are scored by the mean F1 of their labels, because most entries of a table of
rare labels are 0: a network that finds none of them any more is still right on most entries.
"""

_OTHER_LOSSES = {
    "crossentropy": "categorical_crossentropy",
    "sparse_categorical_crossentropy": "categorical_crossentropy",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "huber_loss": "huber",
}
_OTHER_METRICS = {
    "accuracy": "top1",
    "acc": "top1",
    "binary_accuracy": "top1",
    "categorical_accuracy": "top1",
    "sparse_categorical_accuracy": "top1",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "r2_score": "r2",
    "f1": "f1_macro",
    "iou": "mean_iou",
    "mean_io_u": "mean_iou",
    "one_hot_mean_io_u": "mean_iou",
}
_ACCURACIES = {"segmentation": "pixel_accuracy", "multilabel": "label_accuracy"}


def plain_loss(name: str) -> str:
    """The word of :data:`LOSSES` for a name that Keras uses as well.

    >>> plain_loss("sparse_categorical_crossentropy")
    'categorical_crossentropy'
    """
    return _OTHER_LOSSES.get(name.lower(), name.lower())


def plain_metric(name: str, task: str = "") -> str:
    """The word of :data:`TASK_METRICS` for a name that Keras uses as well.

    >>> plain_metric("accuracy", "segmentation")
    'pixel_accuracy'
    """
    word = _OTHER_METRICS.get(name.lower(), name.lower())
    return _ACCURACIES.get(task, word) if word == "top1" else word


@dataclass(frozen=True)
class Head:
    """One output of the network, and what it is for.

    Attributes:
        name: The output's name.
        shape: Shape of the output for one sample; its last axis holds the classes or values.
        task: A word of :data:`TASKS`; ``none`` where there are no labels for it.
        labels: In which form the labels came, in words.
        gives: What the output's values are.
        classes: Number of classes, or of labels of a multi-label head; 0 where there are none.
        loss: A word of :data:`LOSSES`; empty where there are no labels.
        metric: A word of :data:`TASK_METRICS`.
        target_shape: Shape of one sample's targets as they are kept: ``()`` for a class number.
        scale: Largest magnitude of the targets; 0 for classes.
        spread: Standard deviation of the targets; 1 for classes.
        value_scales: As ``scale``, of each value of a head whose values are of unlike size; else
            empty.
        value_spreads: As ``spread``, likewise.
        ignored: Whether some pixels have no class (kept as -1) and count nowhere.
    """

    name: str
    shape: tuple[int, ...]
    task: Kind
    labels: str
    gives: Gives
    classes: int
    loss: str
    metric: str
    target_shape: tuple[int, ...] = ()
    scale: float = 0.0
    spread: float = 1.0
    value_scales: tuple[float, ...] = ()
    value_spreads: tuple[float, ...] = ()
    ignored: bool = False

    @property
    def channels(self) -> int:
        """Length of the output's last axis."""
        return self.shape[-1] if self.shape else 1

    def values(self) -> tuple[Head, ...]:
        """Each value as a head of its own where they are of unlike size; else none.

        The error of all of them together says nothing of those that are small.
        """
        return tuple(
            dataclasses.replace(
                self,
                name=f"{self.name}[{k}]",
                shape=(*self.shape[:-1], 1),
                target_shape=(),
                scale=scale,
                spread=spread,
                value_scales=(),
                value_spreads=(),
            )
            for k, (scale, spread) in enumerate(
                zip(self.value_scales, self.value_spreads, strict=True)
            )
        )

    @property
    def threshold(self) -> float:
        """The value of a single output from which on it stands for class 1."""
        return 0.0 if self.gives in ("logits", "tanh") else 0.5

    def line(self) -> str:
        """The head in words, without its name."""
        if self.task == "none":
            return "no labels: kept near the dense network's own answers, and scored by agreement"
        gives = {"softmax": "probabilities", "sigmoid": "probabilities", "tanh": "-1 to 1"}
        parts: list[str] = [self.task]
        if self.task == "multilabel":
            parts.append(f"{self.classes} labels")
        elif self.task != "regression":
            parts += [f"{self.classes} classes", _labels_in_words(self.labels)]
        elif self.labels:
            parts.append(self.labels + (", of unlike size" if self.value_spreads else ""))
        if self.task != "regression":
            parts.append(f"head gives {gives.get(self.gives, self.gives)}")
        return ", ".join(parts)


def _labels_in_words(labels: str) -> str:
    if labels == "class-number":
        return "labels are class numbers"
    return f"{labels} labels" if labels in ("one-hot", "smoothed") else f"labels {labels}"


@dataclass(frozen=True)
class Task:
    """What a network is for.

    Targets of several labelled heads are kept in one array ``(n, values)``, side by side, each
    head's flattened; those of a single one as they are.

    Attributes:
        heads: One for each output, in the network's order.
    """

    heads: tuple[Head, ...]

    @property
    def labelled(self) -> tuple[Head, ...]:
        """Heads that have labels."""
        return tuple(head for head in self.heads if head.task != "none")

    @property
    def main(self) -> Head:
        """The first head that has labels, which ``accuracy`` in a result is about."""
        return self.labelled[0]

    @property
    def judged(self) -> tuple[Head, ...]:
        """What is scored and held to limits: the heads, and values of unlike size one by one."""
        return tuple(one for head in self.heads for one in (head, *head.values()))

    @property
    def has_unlabelled(self) -> bool:
        """Whether a head has no labels, and so needs the dense network's answers."""
        return len(self.labelled) < len(self.heads)

    def split(self, targets: Array) -> list[Array | None]:
        """The kept targets as one array per head, None for a head without labels."""
        return _dealt(self, _split(targets, [head.target_shape for head in self.labelled]))

    def join(self, parts: Sequence[Array]) -> Array:
        """The reverse of :meth:`split`, for the labelled heads alone."""
        return _joined(parts)

    def split_outputs(self, outputs: Array) -> list[Array]:
        """What :meth:`join_outputs` made, as one array per output."""
        return _split(outputs, [head.shape for head in self.heads])

    def join_outputs(self, outputs: Sequence[Array]) -> Array:
        """All outputs side by side ``(n, values)``; a single one as it is."""
        return _joined(outputs)

    def line(self, train: int, test: int) -> str:
        """The task in one line.

        Args:
            train: Samples to train with.
            test: Samples to score with.
        """
        metric = ", ".join(dict.fromkeys(head.metric for head in self.heads))
        if len(self.heads) == 1:
            what = self.main.line()
        else:
            what = " / ".join(f"{head.name}: {head.line()}" for head in self.heads)
        samples = f"{train:,} train, {test:,} test" if train else f"{test:,} test"
        return f"task: {what}; {samples}; metric {metric}"


def _split(joined: Array, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    if len(shapes) == 1:
        return [joined]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(joined, ends[:-1], axis=1)
    return [part.reshape(len(joined), *shape) for part, shape in zip(parts, shapes, strict=True)]


def _joined(parts: Sequence[Array]) -> Array:
    if len(parts) == 1:
        return parts[0]
    flat = [np.asarray(part, np.float32).reshape(len(part), -1) for part in parts]
    return np.concatenate(flat, axis=1)


def _dealt(task: Task, parts: Sequence[Array]) -> list[Array | None]:
    rest = iter(parts)
    return [None if head.task == "none" else next(rest) for head in task.heads]
