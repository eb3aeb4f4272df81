"""What a schedule is: what happens to masks and weights before each step of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edgeprune.artifacts.compression import Array, FloatArray
from edgeprune.pruning.masks.masking import Masks
from edgeprune.pruning.spec import PruneSpec
from edgeprune.registry import Registry
from edgeprune.training.step import Trainer


@dataclass(frozen=True, eq=False)
class Moment:
    """A training, just before one of its steps.

    Attributes:
        step: Counted from 0.
        masks: Of the weights that are pruned.
        trainer: Of the model.
        x: Inputs of the step to come, ``(batch, ...)``.
        y: Its targets.
        taught: What the teacher answers to it, or None without one.
    """

    step: int
    masks: Masks
    trainer: Trainer
    x: Array
    y: Array
    taught: FloatArray | None = None


class Schedule(Protocol):
    """Drives the masks of one training.

    Attributes:
        epochs: How long the training is, in passes over the data.
        saved: What must outlive an interruption: lists of arrays by name.
    """

    epochs: int
    saved: dict[str, list[Array]]

    def is_due(self, step: int) -> bool:
        """Whether :meth:`prepare` has something to do before this step."""

    def prepare(self, moment: Moment) -> None:
        """Does it.

        Raises:
            ModelError: A pattern does not fit its weight, or a weight is NaN.
        """

    def position(self, step: int) -> float:
        """How far the learning rate has gone from its start, 0, to its end, 1."""

    def settled_until(self, steps: int) -> int | None:
        """Until which step the sparsity stays as it is after ``steps`` steps.

        None while it grows all the time, so that an accuracy says little yet.
        """


class Whole:
    """What schedules share that take one training as a whole."""

    def __init__(self, spec: PruneSpec, steps_per_epoch: int) -> None:
        self.epochs = spec.epochs
        self.saved: dict[str, list[Array]] = {}
        self.total = spec.epochs * steps_per_epoch

    def position(self, step: int) -> float:
        """See :class:`Schedule`."""
        return step / self.total

    def settled_until(self, steps: int) -> int | None:
        """See :class:`Schedule`."""
        return self.total


SCHEDULES: Registry[type] = Registry("edgeprune.pruning.schedules", "schedule")
"""Classes that are made of a :class:`PruneSpec` and the number of steps an epoch has."""
