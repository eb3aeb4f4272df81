"""Distillation: a model in training also learns what a better one, its teacher, answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import call, flat_outputs, import_tensorflow, library_errors
from edgeprune.models.keras.weights import fixed_batch
from edgeprune.tasks import Task
from edgeprune.text.untrusted import reason_of

_BATCH = 256


@dataclass(frozen=True, eq=False)
class Teacher:
    """What a teacher answers to every training sample, and how much that counts.

    Attributes:
        answers: The teacher's outputs, ``(n, ...)``; of several side by side, see
            :meth:`edgeprune.tasks.Task.join_outputs`.
        weight: The teacher's weight in the loss, in [0, 1]; the targets have the rest. Heads
            without labels learn from it alone.
        temperature: Divides the logits of classes; > 0.
        ask: What it answers to other inputs ``(k, ...)``, as ``answers``.
    """

    answers: FloatArray
    weight: float
    temperature: float
    ask: Callable[[Array], FloatArray] | None = None


def teacher_of(
    model: Any, x: Array, weight: float, temperature: float, task: Task
) -> Teacher | None:
    """Asks a teacher once for all samples, so that no step of the training has to.

    Args:
        model: A model of either Keras; run as at inference.
        x: Training inputs ``(n, ...)``.
        weight: See :class:`Teacher`; 0 asks nobody, unless a head has no labels.
        temperature: See :class:`Teacher`.
        task: What the model is for.

    Returns:
        None where nobody needs it.

    Raises:
        ModelError: The model answers what is no finite number.
    """
    if not weight and not task.has_unlabelled:
        return None
    try:
        with quiet():
            outputs = outputs_at(model, x)
    except library_errors() as error:
        raise ModelError(f"the dense model cannot teach: {reason_of(error)}") from error

    def ask(rows: Array) -> FloatArray:
        return np.asarray(task.join_outputs(outputs_at(model, rows)), np.float32)

    answers = np.asarray(task.join_outputs(outputs), np.float32)
    if not np.isfinite(answers).all():
        raise ModelError(
            "the dense model's answers to the training data are no finite numbers, so it cannot "
            "teach: check the data's range, or set distillation = 0"
        )
    return Teacher(answers, weight, temperature, ask)


def asked_once(
    model: Any, x: Array, weight: float, temperature: float, task: Task
) -> Callable[[], Teacher | None]:
    """Asks as :func:`teacher_of` does, when somebody wants to know first, and then never again."""
    return functools.cache(lambda: teacher_of(model, x, weight, temperature, task))


def answering(model: Any) -> Callable[[Array], list[FloatArray]]:
    """A function that gives a model's outputs at inference, traced once for inputs of one shape.

    It takes inputs ``(n, ...)`` and gives one float32 array ``(n, ...)`` for each output.

    Args:
        model: A model of either Keras.
    """
    return _arrays_of(import_tensorflow().function(_inference_of(model)))


def _inference_of(model: Any) -> Callable[[Any], list[Any]]:
    return lambda rows: flat_outputs(call(model, [rows], training=False))


def _arrays_of(ask: Callable[[Any], list[Any]]) -> Callable[[Array], list[FloatArray]]:
    tf = import_tensorflow()
    return lambda rows: [np.asarray(one.numpy(), np.float32) for one in ask(tf.constant(rows))]


def outputs_at(model: Any, x: Array) -> list[FloatArray]:
    """A model's outputs at inference for all samples, one float32 array ``(n, ...)`` each.

    It is traced where that is worth it: for several batches.

    Args:
        model: A model of either Keras.
        x: Inputs ``(n, ...)``.
    """
    batch = fixed_batch(model) or _BATCH
    ask = answering(model) if len(x) > batch else _arrays_of(_inference_of(model))
    parts: list[list[FloatArray]] = []
    for start in range(0, len(x), batch):
        # Around the end, because a model may insist on whole batches.
        chosen = np.arange(start, start + batch) % len(x)
        parts.append([one[: len(x) - start] for one in ask(x[chosen])])
    return [np.concatenate(one) for one in zip(*parts, strict=True)]
