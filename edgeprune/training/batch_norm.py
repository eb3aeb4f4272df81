"""Measures batch normalization's means and variances anew for the weights as they are now.

Keras moves them by 1 % a batch (momentum 0.99). After a short fine-tuning they would still be
largely those of the dense model, and the pruned one would answer wrongly at inference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.models.keras.flavours import call, import_tensorflow
from edgeprune.models.keras.weights import walk

BATCHES = 64
"""Most batches to measure on: 4096 samples at the default batch size. Source: ours."""


class BatchNormStatistics:
    """The moving means and variances of a model's trainable batch normalizations.

    The model is traced at the first measurement, with what is in force then: a training that
    measures after each epoch pays for it once.

    Args:
        model: Its statistics are changed in place; one without batch normalization is left alone.
    """

    def __init__(self, model: Any) -> None:
        layers = [layer for _, layer in walk(model) if layer.trainable and _is_batch_norm(layer)]
        is_known = all(hasattr(layer, "momentum") for layer in layers)
        self._layers = layers if is_known else []
        self._run = import_tensorflow().function(
            lambda rows: call(model, [rows], training=True), autograph=False
        )

    def measure(self, x: Array, order: Array, batch_size: int) -> None:
        """Sets the statistics to plain averages over batches.

        Source: Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3 (PreciseBN).

        Args:
            x: Training inputs ``(n, ...)``.
            order: Indices into ``x``, shuffled: those of the samples to measure on.
            batch_size: Samples in a batch; what is left over is not used, unless it is all there
                is.
        """
        if not self._layers:
            return
        tf = import_tensorflow()
        variables = [v for one in self._layers for v in (one.moving_mean, one.moving_variance)]
        sums = [np.zeros(variable.shape) for variable in variables]
        batches = max(1, min(BATCHES, len(order) // batch_size))
        kept = [layer.momentum for layer in self._layers]
        try:
            for layer in self._layers:
                layer.momentum = 0.0  # leaves in the variables what this batch has
            for k in range(batches):
                chosen = order[k * batch_size : (k + 1) * batch_size]
                self._run(tf.constant(x[chosen]))
                for total, variable in zip(sums, variables, strict=True):
                    total += variable.numpy()
        finally:
            for layer, momentum in zip(self._layers, kept, strict=True):
                layer.momentum = momentum
        for total, variable in zip(sums, variables, strict=True):
            variable.assign(total / batches)


def _is_batch_norm(layer: Any) -> bool:
    return any("BatchNorm" in kind.__name__ for kind in type(layer).__mro__)
