"""Training samples that are kept aside, to see how good a model is while it is trained.

Test samples are never looked at here, so that the accuracy in the report is an honest one.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts import Array
from edgeprune.prune.trainer import Trainer

SHARE = 0.1
"""Of the training samples. Source: ours."""

MOST = 2000
"""More are not held out: at 90 % accuracy the standard error is 0.7 points. Source: ours."""

_BATCH = 256


def split(samples: int, seed: int) -> tuple[Array, Array]:
    """Indices to train on, and indices to hold out, both rising.

    >>> [len(part) for part in split(200, seed=0)]
    [180, 20]
    """
    held = min(int(samples * SHARE), MOST)
    order = np.random.default_rng(seed).permutation(samples)
    return np.sort(order[held:]), np.sort(order[:held])


class HeldOut:
    """Scores a model on held-out samples.

    Args:
        trainer: Of the model.
        x: All inputs.
        y: All targets.
        chosen: Indices of those that are held out.
        batch: The batch size that the model insists on, or None; what is left over is not scored.

    Attributes:
        metric: ``accuracy``, or ``mse``.
        is_empty: Whether there are too few samples to score any.
    """

    def __init__(
        self, trainer: Trainer, x: Array, y: Array, chosen: Array, batch: int | None
    ) -> None:
        self._trainer, self._x, self._y = trainer, x, y
        size = batch or _BATCH
        whole = len(chosen) - len(chosen) % batch if batch else len(chosen)
        self._batches = [chosen[k : min(k + size, whole)] for k in range(0, whole, size)]
        self.metric = "mse" if trainer.loss_name == "mse" else "accuracy"
        self.is_empty = not self._batches

    def score(self) -> float:
        """Share of right labels (a single output counts from 0.5), or the mean squared error.

        NaN where :attr:`is_empty`.
        """
        if self.is_empty:
            return float("nan")
        parts = []
        for chosen in self._batches:
            outputs = self._trainer.answers(self._x[chosen]).reshape(len(chosen), -1)
            targets = self._y[chosen].reshape(len(chosen), -1)
            if self.metric == "mse":
                parts.append(np.square(outputs - targets.astype(np.float64)).mean(axis=1))
            else:
                answers = outputs.argmax(1) if outputs.shape[1] > 1 else outputs[:, 0] > 0.5
                parts.append(answers == targets[:, 0])
        return float(np.concatenate(parts).mean())

    def goodness(self, score: float) -> float:
        """A score such that higher is better."""
        return -score if self.metric == "mse" else score
