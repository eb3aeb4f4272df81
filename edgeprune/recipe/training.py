"""How a model is trained: what all tables of a recipe that train something share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edgeprune.recipe.faults import not_a_share, not_positive, too_small


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        epochs: Passes over the training data.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start.
        distillation: Weight, in [0, 1], of a teacher's answers in the loss; the targets have the
            rest. With 0 no teacher is asked.
        temperature: Divides the logits of classes in distillation; > 0.
        seed: Random seed of shuffling.
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    distillation: float = 0.0
    temperature: float = 4.0
    seed: int = 0


class TrainingKeys(Protocol):
    """The keys that every table of a recipe has which trains something."""

    @property
    def epochs(self) -> int:
        """See :class:`Training`."""

    @property
    def batch_size(self) -> int:
        """See :class:`Training`."""

    @property
    def learning_rate(self) -> float:
        """See :class:`Training`."""

    @property
    def distillation(self) -> float:
        """See :class:`Training`."""

    @property
    def temperature(self) -> float:
        """See :class:`Training`."""


def training_of(table: TrainingKeys, seed: int) -> Training:
    """How the epochs of a table are trained."""
    return Training(
        table.epochs,
        table.batch_size,
        table.learning_rate,
        table.distillation,
        table.temperature,
        seed,
    )


def training_faults(table: TrainingKeys, least_epochs: int = 0) -> list[str]:
    """What is wrong with these keys of a table.

    Args:
        table: Any that trains.
        least_epochs: So many there must be.
    """
    wrong = too_small(table, {"epochs": least_epochs, "batch_size": 1})
    wrong += not_positive(table, "learning_rate", "temperature")
    return wrong + not_a_share(table, "distillation")
