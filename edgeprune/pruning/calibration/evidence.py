"""What a model and its calibration samples tell the criteria, collected when it is asked for."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.errors import ModelError
from edgeprune.models.keras.intercept import Spot, spots
from edgeprune.models.keras.weights import Weight, check_one_input, model_zeros, owners
from edgeprune.pruning.criteria.base import ScoreArray
from edgeprune.training.capture import (
    Calibration,
    Snapshot,
    SquaredGradients,
    batches,
    mean_squared_inputs,
)


class ModelEvidence:
    """What all layers of a model share while it is pruned.

    Args:
        model: A Keras model of either Keras, with one input.
        weights: What is pruned.
        calibration: A few hundred samples, or None.
        seed: Random seed of the criterion ``random``.

    Attributes:
        model: The model.
        weights: The weights, in model order.
    """

    def __init__(
        self,
        model: Any,
        weights: Sequence[Weight],
        calibration: Calibration | None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.weights = list(weights)
        self.seed = seed
        self._layers = owners(model, weights)
        self._calibration = calibration

    @property
    def calibration(self) -> Calibration:
        """The samples.

        Raises:
            ModelError: There are none.
        """
        if self._calibration is None:
            raise ModelError("pruning with this criterion needs calibration data, and got none")
        return self._calibration

    @cached_property
    def spots(self) -> dict[str, Spot]:
        """Where each weight's layer occurs, by the weight's name, in the order in which they run.

        Raises:
            ModelError: The model takes several inputs, or does not call one of the layers.
        """
        check_one_input(self.model)
        if self._calibration is None:
            probe = model_zeros(self.model)[0].numpy()
        else:
            probe = next(batches(self.model, self._calibration.x, 1))
        pairs = zip(self._layers, self.weights, strict=True)
        names = {id(layer): weight.name for layer, weight in pairs}
        return {names[id(spot.layer)]: spot for spot in spots(self.model, self._layers, probe)}

    @cached_property
    def dense(self) -> Snapshot:
        """The weights as they are when this is first asked for."""
        return Snapshot(self.model)

    @cached_property
    def squared_gradients(self) -> dict[str, FloatArray]:
        """By name, of the weights as they are when this is first asked for."""
        return SquaredGradients(self.model, self.weights, self.calibration)()

    def of(self, weight: Weight) -> LayerEvidence:
        """What is known about one weight's layer."""
        return LayerEvidence(self, weight)


class LayerEvidence:
    """What is known about one layer: :class:`edgeprune.pruning.criteria.base.Evidence`."""

    def __init__(self, model: ModelEvidence, weight: Weight) -> None:
        self._of = model
        self._weight = weight

    def mean_squared_inputs(self) -> ScoreArray:
        """See :class:`Evidence`."""
        spot = self._of.spots[self._weight.name]
        means = mean_squared_inputs(self._of.model, spot, self._of.calibration.x)
        return means.repeat(self._weight.variable.shape[-1] // len(means), axis=0)

    def squared_gradients(self) -> ScoreArray:
        """See :class:`Evidence`."""
        return self._weight.as_matrix(self._of.squared_gradients[self._weight.name])

    def batch_norm_scale(self) -> ScoreArray | None:
        """See :class:`Evidence`."""
        gamma = getattr(self._of.spots[self._weight.name].batch_norm, "gamma", None)
        return None if gamma is None else np.asarray(gamma.numpy())

    def random(self) -> np.random.Generator:
        """See :class:`Evidence`."""
        return np.random.default_rng([self._of.seed, zlib.crc32(self._weight.name.encode())])
