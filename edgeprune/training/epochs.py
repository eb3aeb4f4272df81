"""What one epoch of a training sees: the samples as they are, other views of them, or fresh ones.

It depends on the seed, the epoch and the step alone, so that a training that was interrupted, and
the dense network that is trained beside, see the very same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.artifacts.dataset import TrainingData
from edgeprune.data.augment import augmented
from edgeprune.training.distillation import Teacher


@dataclass(frozen=True, eq=False)
class Epoch:
    """The samples of one epoch.

    Attributes:
        x: Inputs ``(n, ...)``.
        y: Targets ``(n, ...)``.
        answers: A teacher's to the inputs, or None. Those to other views are those to the image as
            it is.
        augment: Other views, see :mod:`edgeprune.data.augment`.
        seed: Random seed of these views.
    """

    x: Array
    y: Array
    answers: FloatArray | None
    augment: tuple[str, ...]
    seed: int

    def batch(self, chosen: Array, step: int) -> tuple[Array, Array, FloatArray | None]:
        """Inputs, targets and what the teacher answers, if there is one.

        Args:
            chosen: Indices of samples; an epoch with fewer samples begins anew at its end.
            step: Number of the training step.
        """
        at = chosen % len(self.x)
        x = self.x[at]
        if self.augment:
            x = augmented(x, self.augment, np.random.default_rng([self.seed, step]))
        return x, self.y[at], None if self.answers is None else self.answers[at]


def epoch_of(data: TrainingData, teacher: Teacher | None, seed: int, epoch: int) -> Epoch:
    """The samples of an epoch.

    Args:
        data: What is trained with.
        teacher: The model whose answers are needed, or None.
        seed: Random seed of the training.
        epoch: The epoch's number, from 0; the first one takes the samples that were read at the
            start.

    Raises:
        ModelError: Fresh samples were promised, and there are none.
    """
    answers = None if teacher is None else teacher.answers
    if data.fresh is None or epoch == 0:
        return Epoch(data.x, data.y, answers, data.augment, seed)
    x, y = data.fresh(epoch)
    if teacher is not None and teacher.ask is not None:
        answers = teacher.ask(x)
    return Epoch(x, y, answers, data.augment, seed)
