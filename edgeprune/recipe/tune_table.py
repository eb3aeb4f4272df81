"""The table ``[steps.tune]`` of a recipe's step."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.recipe.training import Training, training_faults, training_of
from edgeprune.text.share import Share


@dataclass(frozen=True)
class TuneTable:
    """Table ``[steps.tune]``: the model is trained further as it is; zeros stay zeros.

    Attributes:
        epochs: Passes over the training data; 0 trains nothing.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start.
        distillation: As in the table ``[prune]``.
        temperature: As in the table ``[prune]``.
    """

    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 1e-3
    distillation: Share = 0.0
    temperature: float = 4.0

    @property
    def is_noop(self) -> bool:
        """Whether nothing is to be trained."""
        return not self.epochs

    def training(self, seed: int) -> Training:
        """How its epochs are trained."""
        return training_of(self, seed)


def tune_faults(table: TuneTable) -> list[str]:
    """What is wrong with the table's values."""
    return training_faults(table)
