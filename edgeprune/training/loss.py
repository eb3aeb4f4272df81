"""The loss that fits a task, and the distance from a teacher's answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from edgeprune.models.keras.flavours import import_tensorflow
from edgeprune.tasks import Head, Task

Loss = Callable[[Any, Any], Any]

_LITTLE = 1e-7
"""Keeps logarithms of probabilities finite. Source: Keras' ``backend.epsilon``."""


class Objective:
    """What a model is trained for: the loss of each head, added up.

    Of several heads each counts by its own size: errors of values are divided by the spread of the
    targets, so that predicting their mean costs 1 as guessing a class does.

    Args:
        task: The task.

    Attributes:
        name: The losses' names.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        labelled = task.labelled
        is_single = len(task.heads) == 1
        self.name = (
            labelled[0].loss.replace("_", " ")
            if is_single
            else "loss (" + ", ".join(f"{head.name} {head.loss}" for head in labelled) + ")"
        )
        self._losses = {
            head.name: _scaled(_loss_of(head), head, head.loss, is_single) for head in labelled
        }

    def loss(self, targets: Any, outputs: Sequence[Any]) -> Any:
        """The mean loss of a batch by its targets; heads without labels have no part in it.

        Args:
            targets: As :class:`edgeprune.artifacts.dataset.TrainingData` holds them.
            outputs: One tensor per head.
        """
        parts = self.by_head(targets, outputs)
        return import_tensorflow().add_n(parts)

    def by_head(self, targets: Any, outputs: Sequence[Any]) -> list[Any]:
        """The same for each labelled head."""
        pairs = [
            (head, output)
            for head, output in zip(self._task.heads, outputs, strict=True)
            if head.task != "none"
        ]
        shapes = [head.target_shape for head, _ in pairs]
        split = _split(targets, shapes)
        return [
            self._losses[head.name](wanted, _rows(head, output))
            for (head, output), wanted in zip(pairs, split, strict=True)
        ]

    def soft(self, taught: Any, outputs: Sequence[Any], temperature: float) -> list[Any]:
        """The distance from a teacher's answers, for each head.

        Of classes ``T^2 KL(softmax(t / T) || softmax(z / T))``, with logits t of the teacher and z
        of the model in training: the cross-entropy with soft targets less its least value, which
        has the same gradients and is 0 where both agree. T^2 keeps the gradients' size whatever T
        is. A single output counts as two classes, and so does each label of a multi-label head. Of
        values it is the mean squared error, without T.

        Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network",
        section 2.

        Args:
            taught: The teacher's answers, as :meth:`Task.join_outputs` puts them side by side.
            outputs: One tensor per head.
            temperature: T.
        """
        heads = self._task.heads
        split = _split(taught, [head.shape for head in heads])
        is_single = len(heads) == 1
        return [
            _scaled(_soft_of(head, temperature), head, "mse", is_single)(
                _rows(head, wanted), _rows(head, output)
            )
            for head, wanted, output in zip(heads, split, outputs, strict=True)
        ]


def _rows(head: Head, outputs: Any) -> Any:
    """Outputs ``(rows, channels)`` in float32: a row for each sample, or each of its places."""
    tf = import_tensorflow()
    return tf.reshape(tf.cast(outputs, tf.float32), [-1, head.channels])


def _split(joined: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """Takes apart what lies side by side."""
    if len(shapes) == 1:
        return [joined]
    tf = import_tensorflow()
    sizes = [math.prod(shape) for shape in shapes]
    return list(tf.split(joined, sizes, axis=1))


def _scaled(loss: Loss, head: Head, name: str, is_single: bool) -> Loss:
    """Errors of values in units of their spread, where other heads count beside them."""
    if is_single or head.gives != "values" or head.task == "classification" or head.value_spreads:
        return loss
    unit = head.spread**2 if name == "mse" else head.spread
    return lambda wanted, rows: loss(wanted, rows) / unit


def _loss_of(head: Head) -> Loss:
    if head.task == "regression":
        return _of_values(head)
    if head.loss == "categorical_crossentropy":
        return _categorical(head)
    return _binary(head) if head.loss == "binary_crossentropy" else _squared_shares(head)


def _of_values(head: Head) -> Loss:
    tf = import_tensorflow()

    def loss(wanted: Any, rows: Any) -> Any:
        error = rows - tf.reshape(tf.cast(wanted, tf.float32), tf.shape(rows))
        error = _in_spreads(head, error)
        if head.loss == "mae":
            return tf.reduce_mean(tf.abs(error))
        if head.loss == "huber":  # delta 1, as in Keras
            size = tf.abs(error)
            return tf.reduce_mean(tf.where(size <= 1, 0.5 * tf.square(error), size - 0.5))
        return tf.reduce_mean(tf.square(error))

    return loss


def _in_spreads(head: Head, errors: Any) -> Any:
    """Errors ``(rows, values)``, each in units of its value's spread where these are unlike."""
    if not head.value_spreads:
        return errors
    return errors / import_tensorflow().constant(head.value_spreads, "float32")


def _categorical(head: Head) -> Loss:
    tf = import_tensorflow()

    def loss(wanted: Any, rows: Any) -> Any:
        logits = as_logits(head, rows)
        if head.task == "classification" and head.target_shape:
            shares = tf.reshape(tf.cast(wanted, tf.float32), tf.shape(rows))
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(shares, logits))
        numbers, counted = _counted(wanted)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=numbers, logits=logits)
        return _mean(losses, counted if head.ignored else None)

    return loss


def _binary(head: Head) -> Loss:
    tf = import_tensorflow()

    def loss(wanted: Any, rows: Any) -> Any:
        shares, counted = _shares(head, wanted, rows)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=shares, logits=as_logits(head, rows)
        )
        return _mean(tf.reduce_mean(losses, axis=1), counted)

    return loss


def _squared_shares(head: Head) -> Loss:
    """Mean squared error of a classifier's outputs, whose targets are 0 and 1."""
    tf = import_tensorflow()

    def loss(wanted: Any, rows: Any) -> Any:
        shares, counted = _shares(head, wanted, rows)
        answers = rows
        if head.gives == "logits":
            answers = tf.nn.softmax(rows) if head.channels > 1 else tf.sigmoid(rows)
        elif head.gives == "tanh":
            answers = (rows + 1) / 2
        return _mean(tf.reduce_mean(tf.square(answers - shares), axis=1), counted)

    return loss


def _shares(head: Head, wanted: Any, rows: Any) -> tuple[Any, Any]:
    """Targets of the rows' shape in [0, 1], and which rows count; None where all do."""
    tf = import_tensorflow()
    is_number = head.task != "multilabel" and head.target_shape[-1:] != head.shape[-1:]
    if head.task == "segmentation" or is_number:
        numbers, counted = _counted(wanted)
        one_hot = tf.one_hot(numbers, head.channels) if head.channels > 1 else numbers[:, None]
        return tf.cast(one_hot, tf.float32), counted if head.ignored else None
    return tf.reshape(tf.cast(wanted, tf.float32), tf.shape(rows)), None


def _counted(wanted: Any) -> tuple[Any, Any]:
    """Class numbers, 0 where there is none, and 1.0 where there is one."""
    tf = import_tensorflow()
    numbers = tf.reshape(tf.cast(wanted, tf.int32), [-1])
    return tf.maximum(numbers, 0), tf.cast(numbers >= 0, tf.float32)


def _mean(values: Any, counted: Any) -> Any:
    tf = import_tensorflow()
    if counted is None:
        return tf.reduce_mean(values)
    return tf.reduce_sum(values * counted) / tf.maximum(tf.reduce_sum(counted), 1.0)


def as_logits(head: Head, rows: Any) -> Any:
    """Outputs as logits: of one class in ``channels``, or of yes and no for each output.

    The logarithm of a softmax is a valid set of logits for the same classes.
    """
    tf = import_tensorflow()
    if head.gives == "softmax" and head.loss != "binary_crossentropy":
        return tf.math.log(rows + _LITTLE)
    if head.gives in ("softmax", "sigmoid"):
        return _logit(rows)
    return _logit((rows + 1) / 2) if head.gives == "tanh" else rows


def _logit(probabilities: Any) -> Any:
    tf = import_tensorflow()
    # Arithmetic, not clipping, which would turn NaN into a number.
    inside = probabilities * (1 - 2 * _LITTLE) + _LITTLE
    return tf.math.log(inside) - tf.math.log1p(-inside)


def _soft_of(head: Head, temperature: float) -> Loss:
    tf = import_tensorflow()
    if head.gives == "values" or (head.task == "none" and head.gives in ("logits", "tanh")):
        return lambda taught, rows: tf.reduce_mean(tf.square(_in_spreads(head, rows - taught)))
    is_exclusive = head.channels > 1 and head.gives in ("softmax", "logits")
    is_exclusive = is_exclusive and head.loss != "binary_crossentropy"

    def loss(taught: Any, rows: Any) -> Any:
        pairs = (as_logits(head, one) / temperature for one in (taught, rows))
        if is_exclusive:
            wanted, found = (tf.nn.log_softmax(one) for one in pairs)
        else:
            wanted, found = (
                tf.nn.log_softmax(tf.stack([one, tf.zeros_like(one)], axis=-1)) for one in pairs
            )
        gap = tf.reduce_sum(tf.exp(wanted) * (wanted - found), axis=-1)
        return temperature**2 * tf.reduce_mean(gap)

    return loss
