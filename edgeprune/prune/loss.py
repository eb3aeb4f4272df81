"""Picks the loss that fits a model's outputs and the data's targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeprune.artifacts import Array
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import import_tensorflow

Loss = Callable[[Any, Any], Any]

_SUM_TOLERANCE = 1e-3


def loss_for(outputs: Array, targets: Array) -> tuple[str, Loss]:
    """The loss to fine-tune with.

    Whether outputs are probabilities is told from their values, because subclassed models do not
    name their last activation: they lie in [0, 1], and several of them sum to 1.

    Args:
        outputs: What the model answers to some samples, of shape ``(n, ...)``.
        targets: Targets of all samples: integer labels of shape ``(n,)`` or ``(n, 1)``, else
            values of the outputs' shape.

    Returns:
        Name, and a function of targets and outputs that gives the batch's mean.

    Raises:
        ModelError: Targets and outputs do not belong together.
    """
    tf = import_tensorflow()
    if targets.dtype.kind not in "iub":
        if targets[0].size != outputs[0].size:
            raise ModelError(
                f"targets of shape {targets.shape[1:]} for outputs of shape {outputs.shape[1:]}"
            )
        return "mse", lambda y, out: tf.reduce_mean(
            tf.square(tf.reshape(out, [tf.shape(out)[0], -1]) - _flat(tf, y))
        )
    if outputs.ndim != 2 or targets[0].size != 1:
        raise ModelError(
            f"labels of shape {targets.shape[1:]} for outputs of shape {outputs.shape[1:]}: "
            "expected one label and one vector of classes per sample"
        )
    if outputs.shape[1] == 1:
        return "binary crossentropy", _binary_crossentropy(tf, _are_probabilities(outputs))
    return "sparse categorical crossentropy", _sparse_crossentropy(tf, _are_probabilities(outputs))


def as_logits(outputs: Array) -> Callable[[Any], Any]:
    """What turns a classifier's outputs into logits of two classes or more, in float32.

    Args:
        outputs: What the model answers to some samples, ``(n, classes)`` or ``(n, 1)``; told apart
            as in :func:`loss_for`.
    """
    tf = import_tensorflow()
    is_probability = _are_probabilities(outputs)
    if outputs.shape[1] == 1:

        def of_two(out: Any) -> Any:
            out = tf.cast(out, tf.float32)
            out = _logit(tf, out) if is_probability else out
            return tf.concat([out, tf.zeros_like(out)], axis=1)

        return of_two
    return lambda out: _logits(tf, tf.cast(out, tf.float32), is_probability)


def _are_probabilities(outputs: Array) -> bool:
    within = bool((outputs >= 0).all() and (outputs <= 1 + _SUM_TOLERANCE).all())
    if outputs.shape[1] == 1:
        return within
    return within and bool((np.abs(outputs.sum(axis=1) - 1) < _SUM_TOLERANCE).all())


def _flat(tf: Any, targets: Any) -> Any:
    return tf.cast(tf.reshape(targets, [tf.shape(targets)[0], -1]), tf.float32)


def _binary_crossentropy(tf: Any, is_sigmoid: bool) -> Loss:
    def loss(labels: Any, outputs: Any) -> Any:
        outputs = _logit(tf, outputs) if is_sigmoid else outputs
        return tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=_flat(tf, labels), logits=outputs)
        )

    return loss


def _sparse_crossentropy(tf: Any, is_softmax: bool) -> Loss:
    def loss(labels: Any, outputs: Any) -> Any:
        logits = _logits(tf, outputs, is_softmax)
        flat = tf.reshape(tf.cast(labels, tf.int32), [-1])
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=flat, logits=logits)
        )

    return loss


def _logit(tf: Any, probabilities: Any) -> Any:
    # Arithmetic, not clipping, which would turn NaN into a number.
    inside = probabilities * (1 - 2e-7) + 1e-7
    return tf.math.log(inside) - tf.math.log1p(-inside)


def _logits(tf: Any, outputs: Any, is_softmax: bool) -> Any:
    """The logarithm of a softmax is a valid set of logits for the same classes."""
    return tf.math.log(outputs + 1e-7) if is_softmax else outputs
