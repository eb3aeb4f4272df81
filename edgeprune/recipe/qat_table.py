"""The recipe's table ``[qat]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.recipe.training import Training, training_faults, training_of
from edgeprune.text.share import Share


@dataclass(frozen=True)
class QatTable:
    """Table ``[qat]``: training with the rounding that the table ``[quantize]`` asks for.

    Attributes:
        epochs: Passes over the training data with weights, and for ``int8`` activations, rounded as
            they will be stored; 0 trains nothing.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start.
        distillation: As in the table ``[prune]``.
        temperature: As in the table ``[prune]``.
    """

    epochs: int = 0
    batch_size: int = 64
    learning_rate: float = 1e-4
    distillation: Share = 0.0
    temperature: float = 4.0

    @property
    def is_noop(self) -> bool:
        """Whether nothing is to be trained."""
        return not self.epochs

    def training(self, seed: int) -> Training:
        """How its epochs are trained."""
        return training_of(self, seed)


def qat_faults(table: QatTable, mode: str) -> list[str]:
    """What is wrong with the table's values beside this mode in the table ``[quantize]``."""
    wrong = training_faults(table)
    if table.epochs > 0 and not mode.startswith("int"):
        wrong.append(f"epochs needs a mode with integer weights in [quantize], got {mode!r}")
    return wrong
