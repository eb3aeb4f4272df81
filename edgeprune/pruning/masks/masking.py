"""Masks of one model's weights, and their growth while somebody trains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.artifacts.model import Flavour
from edgeprune.errors import ModelError
from edgeprune.models.keras.weights import Weight
from edgeprune.pruning.masks.callback import callback
from edgeprune.pruning.patterns import pattern
from edgeprune.training.held_masks import HeldMasks

Scores = Callable[[Weight], FloatArray]
"""How much each weight of a matrix ``(out_channels, in_features)`` matters; never negative."""


Pruner = Callable[[Mapping[str, float]], Mapping[str, BoolArray]]
"""Prunes the weights to these sparsities, by name; gives the masks in the weights' own shapes."""


def magnitudes(weight: Weight) -> FloatArray:
    """The criterion ``magnitude``."""
    return np.abs(weight.matrix())


def prune_weight(weight: Weight, sparsity: float, scores: FloatArray | None = None) -> BoolArray:
    """Zeroes the weights of lowest score; the mask is True where one is kept.

    Args:
        weight: Is changed.
        sparsity: Share to remove, in [0, 1).
        scores: Of :meth:`Weight.matrix`'s shape; None for magnitudes.

    Raises:
        ModelError: The pattern does not fit the weight, or a score is NaN.
    """
    shape = pattern(weight.pattern)
    # Where nothing goes together the order is of no matter, and turning it takes longest.
    is_turned = weight.pattern != "unstructured" or scores is not None
    values = weight.matrix() if is_turned else weight.value()
    try:
        mask = shape.mask(
            np.abs(values) if scores is None else scores, sparsity, weight.in_channels
        )
    except ModelError as error:
        raise ModelError(f"{weight.name}: {error}") from error
    pruned = shape.finish(values, mask)
    weight.variable.assign(weight.as_tensor(pruned) if is_turned else pruned)
    return weight.as_tensor(mask) if is_turned else mask


class Masks(HeldMasks):
    """The masks of one model's weights, and their growth.

    Args:
        model: Either Keras; only its compiled training step is touched, to be made anew.
        weights: What to prune.
        sparsities: Final share of zeros of each weight, by name, each in [0, 1).
        scores: The criterion; None for magnitude.
        flavour: Which Keras the model belongs to.
        pruner: Makes the masks instead of ``scores``; see :mod:`edgeprune.pruning.masks.pruner`.

    Attributes:
        weights: What is pruned.
        masks: By weight's name, True where one is kept; empty before the first update.
        final: Each weight's final sparsity, as its pattern makes it.
    """

    def __init__(
        self,
        model: Any,
        weights: list[Weight],
        sparsities: Mapping[str, float],
        scores: Scores | None = None,
        flavour: Flavour = "keras",
        pruner: Pruner | None = None,
    ) -> None:
        super().__init__(model, weights)
        self.final = {w.name: pattern(w.pattern).share(sparsities[w.name]) for w in weights}
        self._pruner = pruner or self._by_scores(scores)
        self._flavour = flavour

    def update(self, progress: float = 1.0) -> None:
        """Makes the masks anew from the weights as they are, and applies them.

        Args:
            progress: Share of each weight's final sparsity to have now, in [0, 1].

        Raises:
            ModelError: A pattern does not fit its weight, or a weight is NaN.
        """
        self.prune_to({name: progress * final for name, final in self.final.items()})

    def prune_to(self, sparsities: Mapping[str, float]) -> None:
        """As :meth:`update`, with a sparsity for each weight, in [0, 1)."""
        for name, mask in self._pruner(sparsities).items():
            self._assign(name, mask)

    def finish(self) -> None:
        """Leaves the weights as the runtime wants to find them; see :class:`Pattern`."""
        for weight in self.weights:
            mask = weight.as_matrix(self.masks[weight.name])
            finished = pattern(weight.pattern).finish(weight.matrix(), mask)
            weight.variable.assign(weight.as_tensor(finished))

    def callback(self) -> Any:
        """A Keras callback that grows the masks during one ``fit``; see :func:`callback`."""
        return callback(self, self._flavour)

    def _by_scores(self, scores: Scores | None) -> Pruner:
        return lambda sparsities: {
            w.name: prune_weight(w, sparsities[w.name], None if scores is None else scores(w))
            for w in self.weights
        }
