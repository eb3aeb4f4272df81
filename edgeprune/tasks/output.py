"""What is known of a network's outputs before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgeprune.tasks.head import Array, Gives

SUM_TOLERANCE = 1e-3
"""Probabilities of classes sum to 1 within this. Source: float32 and 16-bit storage."""

MOST_SAMPLES = 512
"""Test samples on which readings of labels are compared, at most. Source: ours."""


@dataclass(frozen=True)
class Output:
    """One output of the network.

    Attributes:
        name: Its name.
        shape: For one sample, without the batch.
        activation: ``softmax``, ``sigmoid``, ``tanh`` or ``linear`` where the last operator tells,
            else empty.
    """

    name: str
    shape: tuple[int, ...]
    activation: str = ""

    @property
    def head_shape(self) -> tuple[int, ...]:
        """The shape without axes of size 1 in front of the last one, as of (1, 1, classes)."""
        if not self.shape:
            return (1,)
        return (*(size for size in self.shape[:-1] if size != 1), self.shape[-1])


class Dense:
    """The dense network's answers to some test samples, asked for when they are first needed.

    Args:
        answer: Gives one array ``(k, ...)`` per output for inputs ``(k, ...)``; None where nobody
            can be asked.
        x_test: All test inputs.
    """

    def __init__(self, answer: Callable[[Array], Sequence[Array]] | None, x_test: Array) -> None:
        self._answer = answer
        self._x = x_test
        step = max(1, -(-len(x_test) // MOST_SAMPLES))
        self.chosen = np.arange(0, len(x_test), step)

    @property
    def is_known(self) -> bool:
        """Whether anybody can be asked."""
        return self._answer is not None and len(self._x) > 0

    @cached_property
    def outputs(self) -> list[Array]:
        """One array per output, for the samples ``chosen``; empty where nobody can be asked."""
        if self._answer is None or not len(self._x):
            return []
        return [np.asarray(one, np.float64) for one in self._answer(self._x[self.chosen])]

    def of(self, index: int) -> Array | None:
        """Answers of one output, or None."""
        return self.outputs[index] if self.outputs else None


def gives_of(output: Output, answers: Array | None) -> Gives:
    """What the values of an output are.

    The network's last operator tells; where it is another one, the values do: probabilities lie in
    [0, 1], and those of classes that exclude one another sum to 1.

    Args:
        output: The output.
        answers: The dense network's, ``(k, ...)``, or None where they are not known.
    """
    known: dict[str, Gives] = {
        "softmax": "softmax",
        "sigmoid": "sigmoid",
        "tanh": "tanh",
        "linear": "logits",
    }
    if output.activation in known:
        return known[output.activation]
    if answers is None or not answers.size or not np.isfinite(answers).all():
        return "logits"
    if answers.min() < -SUM_TOLERANCE or answers.max() > 1 + SUM_TOLERANCE:
        return "logits"
    rows = answers.reshape(-1, output.head_shape[-1])
    is_shared = rows.shape[1] > 1 and bool((np.abs(rows.sum(axis=1) - 1) < SUM_TOLERANCE).all())
    return "softmax" if is_shared else "sigmoid"
