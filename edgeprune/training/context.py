"""What a stage that changes a model is given beside the model and its table of the recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded
from edgeprune.devices.boards import Cpu


def silent(line: str) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class StageContext:
    """What is the same for all stages of one compression.

    Attributes:
        data: The user's, to train and to calibrate with, or None.
        say: Called with each line that the user is to see: one an epoch, and what is found out.
        seed: Random seed of what is drawn and shuffled. The stage ``prune`` has it in its table.
        cpu: The board's cores, for what is chosen for them; None where no board is named.
        max_accuracy_drop: What a stage may cost on held-out training samples, beside the model as
            it comes: 0.01 is one point of top-1 accuracy, or one percent of the model's own score
            by any other metric. None lets it cost what it will.
        teacher: The model as the user gave it, which distillation asks; None takes the one that
            a stage is given.
    """

    data: Dataset | None = None
    say: Callable[[str], None] = silent
    seed: int = 0
    cpu: Cpu | None = None
    max_accuracy_drop: float | None = None
    teacher: Loaded | None = None
