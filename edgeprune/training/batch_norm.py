"""Measures batch normalization's means and variances anew for the weights as they are now.

Keras moves them by 1 % a batch (momentum 0.99). After a short fine-tuning they would still be
largely those of the dense model, and the pruned one would answer wrongly at inference.
"""

from __future__ import annotations

from typing import Any

from edgeprune.artifacts.arrays import Array
from edgeprune.models.keras.flavours import call, import_tensorflow
from edgeprune.models.keras.weights import walk

BATCHES = 64
"""Most batches to measure on: 4096 samples at the default batch size. Source: ours."""


def measure_again(model: Any, x: Array, order: Array, batch_size: int) -> None:
    """Sets the moving statistics of trainable layers to plain averages over batches.

    Source: Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3 (PreciseBN).

    Args:
        model: Changed in place; left alone if it has no batch normalization.
        x: Training inputs ``(n, ...)``.
        order: Indices into ``x``, shuffled: those of the samples to measure on.
        batch_size: Samples in a batch; what is left over is not used, unless it is all there is.
    """
    tf = import_tensorflow()
    layers = [
        layer
        for _, layer in walk(model)
        if layer.trainable and any("BatchNorm" in kind.__name__ for kind in type(layer).__mro__)
    ]
    kept = [layer.momentum for layer in layers if hasattr(layer, "momentum")]
    if not layers or len(kept) != len(layers):
        return
    try:
        for k in range(max(1, min(BATCHES, len(order) // batch_size))):
            for layer in layers:
                layer.momentum = k / (k + 1)  # makes the moving average the plain one
            chosen = order[k * batch_size : (k + 1) * batch_size]
            call(model, [tf.constant(x[chosen])], training=True)
    finally:
        for layer, momentum in zip(layers, kept, strict=True):
            layer.momentum = momentum
