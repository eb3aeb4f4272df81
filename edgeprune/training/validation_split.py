"""Training samples that are kept aside, to see how good a model is while it is trained.

Test samples are never looked at here, so that the accuracy in the report is an honest one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import TrainingData
from edgeprune.tasks import Scorer, score_text
from edgeprune.training.step import Trainer

SHARE = 0.1
"""Of the training samples. Source: ours."""

MOST = 2000
"""More are not held out: at 90 % accuracy the standard error is 0.7 points. Source: ours."""

_BATCH = 256


def split(samples: int, seed: int, held_out: int = 0) -> tuple[Array, Array]:
    """Indices to train on, and indices to hold out, both rising.

    Args:
        samples: How many there are.
        seed: Draws those that are held out.
        held_out: How many, the last ones, the user wants held out; 0 draws a share of all.

    >>> [len(part) for part in split(200, seed=0)]
    [180, 20]
    >>> split(5, seed=0, held_out=2)
    (array([0, 1, 2]), array([3, 4]))
    """
    if held_out:
        kept = samples - held_out
        drawn = np.random.default_rng(seed).permutation(held_out)[:MOST]
        return np.arange(kept), np.sort(kept + drawn)
    held = min(int(samples * SHARE), MOST)
    order = np.random.default_rng(seed).permutation(samples)
    return np.sort(order[held:]), np.sort(order[:held])


def split_of(data: TrainingData, seed: int) -> tuple[Array, Array]:
    """The same for data that may not be watched: then none of the others is held out.

    Args:
        data: What is trained with.
        seed: Draws those that are held out.
    """
    if data.is_watched:
        return split(len(data.x), seed, data.held_out)
    return np.arange(len(data.x) - data.held_out), np.arange(0)


class HeldOut:
    """Scores a model on held-out samples, by its task's metrics.

    Args:
        trainer: What trains the model.
        data: All samples.
        chosen: Indices of those that are held out.
        batch: The batch size that the model insists on, or None; what is left over is not scored.
        taught: What the dense model answers to all samples, for heads without labels; or None.

    Attributes:
        is_empty: Whether there are too few samples to score any.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: TrainingData,
        chosen: Array,
        batch: int | None,
        taught: Array | None = None,
    ) -> None:
        self._trainer, self._data, self._taught = trainer, data, taught
        size = batch or _BATCH
        whole = len(chosen) - len(chosen) % batch if batch else len(chosen)
        self._batches = [chosen[k : min(k + size, whole)] for k in range(0, whole, size)]
        self.is_empty = not self._batches

    def scores(self) -> dict[str, float]:
        """By head, as :class:`edgeprune.tasks.Scorer`; empty where :attr:`is_empty`."""
        task = self._data.task
        scorer = Scorer(task)
        for chosen in self._batches:
            wanted = task.split(self._data.y[chosen])
            if self._taught is not None:
                taught = task.split_outputs(self._taught[chosen])
                pairs = zip(wanted, taught, strict=True)
                wanted = [theirs if own is None else own for own, theirs in pairs]
            scorer.add(self._trainer.answers(self._data.x[chosen]), wanted)
        return scorer.scores()

    def text(self, scores: Mapping[str, float]) -> str:
        """Scores in words."""
        task = self._data.task
        parts = [
            ("" if len(task.heads) == 1 else f"{head.name} ")
            + f"{head.metric} {score_text(head.metric, scores[head.name])}"
            for head in task.heads
            if head.name in scores
        ]
        return ", ".join(parts)
