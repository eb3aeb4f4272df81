"""The data that a model is trained with and scored on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeprune.artifacts.arrays import Array
from edgeprune.tasks import Task


@dataclass(frozen=True)
class Dataset:
    """Arrays to train on and to score with.

    Attributes:
        x_train: Shape ``(n, *input_shape)`` or None.
        y_train: Targets as :meth:`edgeprune.tasks.Task.split` takes them apart: class numbers
            ``(n,)``, masks ``(n, height, width)``, or values ``(n, ...)``; None where there are
            none, or where inputs are to be reproduced.
        x_test: Shape ``(m, *input_shape)``.
        y_test: Like ``y_train``.
        source: Path or dotted name as the user gave it.
        classes: Names of the classes by number; empty where the data has none.
        notes: What the user should know about the reading, one line each.
        held: Range that inputs are meant to lie in, whatever these do; None where nobody knows.
        held_out: How many training samples, the last ones, are held out in training; 0 leaves that
            to the training.
        is_watched: Whether trainings hold out samples of their own and score them after each epoch;
            else they train on all but ``held_out``, and nobody looks until the end.
        augment: Other views of training images: words of :data:`edgeprune.data.augment.KINDS`.
        fresh: Gives the data for an epoch, by its number, with other training samples; None where
            every epoch has the same.
        task: What the model is for; None where nobody has found that out yet.
    """

    x_train: Array | None
    y_train: Array | None
    x_test: Array
    y_test: Array | None
    source: str
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    held: tuple[float, float] | None = None
    held_out: int = 0
    is_watched: bool = True
    augment: tuple[str, ...] = ()
    fresh: Callable[[int], Dataset] | None = None
    task: Task | None = None

    @property
    def is_reproduced(self) -> bool:
        """Whether there are no labels, because inputs are their own targets."""
        return self.y_train is None and self.y_test is None

    @property
    def targets_test(self) -> Array | None:
        """Targets to score with, or None."""
        return self.x_test if self.is_reproduced else self.y_test


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What of the user's data a model is trained with.

    Attributes:
        x: Inputs ``(n, *input_shape)``.
        y: Targets ``(n, ...)``, as in :class:`Dataset`.
        task: What the model is trained for.
        held_out: As in :class:`Dataset`.
        is_watched: As in :class:`Dataset`.
        augment: As in :class:`Dataset`.
        fresh: Gives inputs and targets for an epoch, by its number; None where every epoch has
            ``x`` and ``y``.
    """

    x: Array
    y: Array
    task: Task
    held_out: int = 0
    is_watched: bool = True
    augment: tuple[str, ...] = ()
    fresh: Callable[[int], tuple[Array, Array]] | None = None
