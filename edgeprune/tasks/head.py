"""A task: one head for each output of the network, and the words for what it may be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeprune.tasks.vocabulary import TAUGHT

Array = NDArray[Any]

Kind = Literal["classification", "multilabel", "segmentation", "regression", "none"]
Gives = Literal["softmax", "sigmoid", "tanh", "logits", "values"]


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
    def is_taught(self) -> bool:
        """Whether the dense network's own answers stand for labels, which the user did not give."""
        return self.labels == TAUGHT

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
    if labels == TAUGHT:
        return f"no labels but {labels}"
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
    def is_taught(self) -> bool:
        """Whether the user gives no labels, and the dense network's answers stand for them."""
        return any(head.is_taught for head in self.heads)

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
