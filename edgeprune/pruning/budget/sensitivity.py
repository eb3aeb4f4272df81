"""What pruning each layer alone does to the loss on training samples.

Nothing is trained and batch normalization keeps its statistics, so losses are higher than what is
left after fine-tuning; they tell which layers mind more than others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.dataset import TrainingData
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import call, flat_outputs, import_tensorflow
from edgeprune.models.keras.weights import Weight
from edgeprune.progress import each
from edgeprune.pruning.masks.masking import prune_weight
from edgeprune.training.capture import batches
from edgeprune.training.loss import Objective

SAMPLES = 256
"""Training samples that losses are measured on, at most. Source: ours."""

MOST_PASSES = 12_000
"""Samples that go through the model while all losses are measured, about.

A sample goes through it once for each layer and sparsity. Source: ours, a fraction of one epoch on
the data that a large network is trained on.
"""

LEAST_SAMPLES = 16
"""Fewer say nothing. Source: ours."""

REMAINING = 0.9
"""Share of what remains that is left after each step of the grid.

Source: Frantar and Alistarh 2022, "SPDY", section 4.
"""

_STEPS = 42  # of the grid: up to 98.8 %

POINTS = tuple(1 - REMAINING**k for k in range(0, _STEPS + 1, 7))
"""Sparsities at which losses are measured: every seventh of the grid. Source: ours."""


def grid(sparsity: float) -> tuple[float, ...]:
    """Sparsities to choose from, rising from 0, with the recipe's among them.

    >>> [round(share, 3) for share in grid(0.5)[:4]]
    [0.0, 0.1, 0.19, 0.271]
    """
    return tuple(sorted({sparsity, *(1 - REMAINING**k for k in range(_STEPS + 1))}))


def loss_increases(
    model: Any, weights: Sequence[Weight], data: TrainingData, sparsities: Sequence[float]
) -> dict[str, tuple[float, ...]]:
    """Prunes each layer alone to each sparsity, by magnitude, and sees what the loss does.

    Args:
        model: Has its old weights afterwards, also after an exception. Outputs without labels have
            no part in the loss.
        weights: Each is pruned in its pattern.
        data: Inputs and targets; of many, for many layers, the first ones are used, see
            :data:`MOST_PASSES`.
        sparsities: In [0, 1).

    Returns:
        By name of the weights, an increase of the mean loss for each sparsity.

    Raises:
        ModelError: Data and model do not fit together, a pattern does not fit its weight, or the
            loss is not finite.
    """
    most = max(LEAST_SAMPLES, MOST_PASSES // max(1, len(weights) * len(sparsities)))
    with quiet():
        measured = _MeanLoss(model, data, most)
        before = measured()
        return {
            weight.name: tuple(measured.pruned(weight, share) - before for share in sparsities)
            for weight in each(weights, "layer")
        }


class _MeanLoss:
    """The mean loss of a model as it is now, at inference."""

    def __init__(self, model: Any, data: TrainingData, most: int) -> None:
        tf = import_tensorflow()
        x, y = data.x[:most], data.y[:most]
        self._loss = Objective(data.task).loss
        self._batches = [
            (tf.constant(a), tf.constant(b))
            for a, b in zip(batches(model, x), batches(model, y), strict=True)
        ]

        def answers(inputs: Any) -> Any:
            return flat_outputs(call(model, [inputs], training=False))

        self._answers = tf.function(answers, autograph=False, reduce_retracing=True)

    def pruned(self, weight: Weight, sparsity: float) -> float:
        """The same with one layer pruned for a moment."""
        value = weight.value()
        try:
            prune_weight(weight, sparsity)
            return self()
        finally:
            weight.variable.assign(value)

    def __call__(self) -> float:
        total, count = 0.0, 0
        for x, y in self._batches:
            total += float(self._loss(y, self._answers(x))) * len(x)
            count += len(x)
        if not np.isfinite(total):
            raise ModelError(
                f"the loss on training samples is {total}: scale the data as the model expects it"
            )
        return total / max(count, 1)


def drawn(data: TrainingData, seed: int) -> TrainingData:
    """At most :data:`SAMPLES` of the training samples, drawn by ``seed``."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data.x))[:SAMPLES])
    return TrainingData(data.x[chosen], data.y[chosen], data.task)
