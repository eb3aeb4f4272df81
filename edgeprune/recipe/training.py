"""How a model is trained: what all tables of a recipe that train something share."""

from __future__ import annotations

from dataclasses import dataclass


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
        seed: Of shuffling.
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    distillation: float = 0.0
    temperature: float = 4.0
    seed: int = 0
