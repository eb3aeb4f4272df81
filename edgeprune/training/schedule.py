"""What a schedule is: what happens to masks and weights before each step of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from edgeprune.artifacts.arrays import Array, BoolArray, FloatArray
from edgeprune.models.keras.weights import Weight
from edgeprune.training.step import Trainer


class GrowingMasks(Protocol):
    """Masks as a training and its schedule see them.

    Attributes:
        weights: What is pruned.
        masks: By weight's name, True where one is kept.
        final: Each weight's final sparsity.
    """

    weights: list[Weight]
    masks: dict[str, BoolArray]
    final: dict[str, float]

    def update(self, progress: float = 1.0) -> None:
        """Makes the masks anew, with this share of each weight's final sparsity."""

    def prune_to(self, sparsities: Mapping[str, float]) -> None:
        """Makes the masks anew, with a sparsity for each weight."""

    def set(self, masks: Mapping[str, BoolArray]) -> None:
        """Takes masks from elsewhere, and applies them."""

    def apply(self) -> None:
        """Zeroes what is masked."""

    def finish(self) -> None:
        """Leaves the weights as the runtime wants to find them."""

    def sparsity(self) -> float:
        """Share of masked weights over all of them."""

    def __enter__(self) -> Any:
        """Attaches the masks to the weights."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Detaches the masks."""


@dataclass(frozen=True, eq=False)
class Moment:
    """A training, just before one of its steps.

    Attributes:
        step: Counted from 0.
        masks: Masks of the weights that are pruned.
        trainer: What trains the model.
        x: Inputs of the step to come, ``(batch, ...)``.
        y: The batch's targets.
        taught: What the teacher answers to it, or None without one.
    """

    step: int
    masks: GrowingMasks
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


class SinglePass:
    """A training from its start to its end, once; masks stay as they are."""

    def __init__(self, epochs: int, steps_per_epoch: int) -> None:
        self.epochs = epochs
        self.saved: dict[str, list[Array]] = {}
        self.total = epochs * steps_per_epoch

    def is_due(self, step: int) -> bool:
        """See :class:`Schedule`."""
        return False

    def prepare(self, moment: Moment) -> None:
        """See :class:`Schedule`."""

    def position(self, step: int) -> float:
        """See :class:`Schedule`."""
        return step / self.total

    def settled_until(self, steps: int) -> int | None:
        """See :class:`Schedule`."""
        return self.total
