"""Lays constraints on the weights of a model for a while, and takes them off again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgeprune.errors import ModelError
from edgeprune.models.keras.weights import Weight

Constraint = Callable[[Any], Any]
"""From a variable's value after the optimizer's step to the value that it shall have."""


class Constraints:
    """Constraints on some weights of a model, in place of those that they have.

    Args:
        model: Either Keras; only its compiled training step is touched, to be made anew.
        weights: Weights of the model that are constrained.
        made: Gives a weight's constraint, from the weight and the constraint that it has, or None.
        name: What they are called in errors.
    """

    def __init__(
        self,
        model: Any,
        weights: Sequence[Weight],
        made: Callable[[Weight, Any], Constraint],
        name: str,
    ) -> None:
        self._model, self._weights, self._made, self._name = model, weights, made, name
        self._before: list[Any] = []
        self._is_attached = False

    def attach(self) -> None:
        """Puts them on the weights.

        Raises:
            ModelError: They are attached already.
        """
        if self._is_attached:
            raise ModelError(
                f"these {self._name} are held already: leave the first `with` block before"
            )
        self._is_attached = True
        self._before = [weight.variable.constraint for weight in self._weights]
        for weight, before in zip(self._weights, self._before, strict=True):
            _constrain(weight.variable, self._made(weight, before))
        _forget_compiled_step(self._model)

    def detach(self) -> None:
        """Takes them off; the weights have the constraints that they had."""
        for weight, before in zip(self._weights, self._before, strict=True):
            _constrain(weight.variable, before)
        self._is_attached = False
        _forget_compiled_step(self._model)


def _constrain(variable: Any, constraint: Any) -> None:
    """Sets a variable's constraint; Keras 2 hands out TensorFlow's own variables, or wraps them."""
    try:
        variable.constraint = constraint
    except AttributeError:
        getattr(variable, "_variable", variable)._constraint = constraint


def _forget_compiled_step(model: Any) -> None:
    """Has Keras trace its training step anew, which it keeps with the constraints of that time."""
    if getattr(model, "train_function", None) is not None:
        model.make_train_function(force=True)
