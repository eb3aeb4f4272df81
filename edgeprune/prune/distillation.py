"""Distillation: a model in training also learns what a better one, its teacher, answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts import Array, FloatArray
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import (
    call,
    flat_outputs,
    import_tensorflow,
    library_errors,
    one_line,
    quiet,
)
from edgeprune.prune.keras_model import fixed_batch
from edgeprune.prune.loss import Loss, as_logits

_BATCH = 256


@dataclass(frozen=True, eq=False)
class Teacher:
    """What a teacher answers to every training sample, and how much that counts.

    Attributes:
        answers: Its outputs, ``(n, ...)``.
        weight: Of the teacher in the loss, in [0, 1]; the targets have the rest.
        temperature: Divides the logits of classes; > 0.
    """

    answers: FloatArray
    weight: float
    temperature: float


def teacher_of(model: Any, x: Array, weight: float, temperature: float) -> Teacher | None:
    """Asks a teacher once for all samples, so that no step of the training has to.

    Args:
        model: Of either Keras, with one output; run as at inference.
        x: Training inputs ``(n, ...)``.
        weight: See :class:`Teacher`; 0 asks nobody.
        temperature: See :class:`Teacher`.

    Returns:
        None where the weight is 0.

    Raises:
        ModelError: The model has several outputs, or answers what is no finite number.
    """
    if not weight:
        return None
    try:
        with quiet():
            answers = _answers(model, x)
    except library_errors() as error:
        raise ModelError(f"the dense model cannot teach: {one_line(error)}") from error
    if not np.isfinite(answers).all():
        raise ModelError(
            "the dense model's answers to the training data are no finite numbers, so it cannot "
            "teach: check the data's range, or set distillation = 0"
        )
    return Teacher(answers, weight, temperature)


def _answers(model: Any, x: Array) -> FloatArray:
    tf = import_tensorflow()
    batch = fixed_batch(model) or _BATCH
    ask = tf.function(lambda rows: flat_outputs(call(model, [rows], training=False)))
    parts = []
    for start in range(0, len(x), batch):
        # Around the end, because a model may insist on whole batches.
        chosen = np.arange(start, start + batch) % len(x)
        outputs = ask(tf.constant(x[chosen]))
        if len(outputs) != 1:
            raise ModelError(
                f"a model with {len(outputs)} outputs cannot teach: set distillation = 0"
            )
        parts.append(np.asarray(outputs[0].numpy(), np.float32)[: len(x) - start])
    return np.concatenate(parts)


def soft_loss(name: str, outputs: Array, temperature: float) -> Loss:
    """The distance from a teacher's answers.

    Of classes ``T^2 KL(softmax(t / T) || softmax(z / T))``, with logits t of the teacher and z of
    the model in training: the cross-entropy with soft targets less its least value, which has the
    same gradients and is 0 where both agree. T^2 keeps the gradients' size whatever T is. A single
    output counts as two classes. Of other outputs it is the mean squared error, without T.

    Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network",
    section 2.

    Args:
        name: Of the loss by the targets.
        outputs: What the model answers to some samples; tells whether they are probabilities.
        temperature: T.

    Returns:
        A function of the teacher's and the model's outputs that gives the batch's mean.
    """
    tf = import_tensorflow()
    if name == "mse":
        return lambda taught, out: tf.reduce_mean(
            tf.square(tf.cast(out, tf.float32) - tf.reshape(taught, tf.shape(out)))
        )
    logits = as_logits(outputs)

    def loss(taught: Any, out: Any) -> Any:
        wanted = tf.nn.log_softmax(logits(taught) / temperature)
        found = tf.nn.log_softmax(logits(out) / temperature)
        gap = tf.reduce_sum(tf.exp(wanted) * (wanted - found), axis=-1)
        return temperature**2 * tf.reduce_mean(gap)

    return loss
