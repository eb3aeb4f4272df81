"""Prunes a trained Keras model at once from calibration samples, without training.

Layers go in the order in which they run, each calibrated on the outputs of those pruned before.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from edgeprune.artifacts import BoolArray, FloatArray
from edgeprune.errors import ModelError
from edgeprune.prune.block_shape import BlockShape, block_shape, filled, lowest_removed
from edgeprune.prune.capture import (
    Calibration,
    Snapshot,
    batches,
    mean_squared_inputs,
    moments,
    squared_gradients,
)
from edgeprune.prune.criteria.base import CRITERIA, ScoreArray
from edgeprune.prune.intercept import Spot, spots
from edgeprune.prune.keras_model import Weight, walk
from edgeprune.prune.patterns import Pruning
from edgeprune.prune.recovery import (
    RECOVERIES,
    correct_biases,
    mean_outputs,
    needs_bias,
    re_estimate_batch_norm,
)
from edgeprune.prune.second_order import second_order

SECOND_ORDER = "second_order"
"""Not a criterion that scores weights: it moves those that stay as well."""


def one_shot(
    model: Any,
    weights: Sequence[Weight],
    calibration: Calibration,
    *,
    criterion: str,
    sparsity: float | Mapping[str, float],
    recovery: Sequence[str] = RECOVERIES,
    seed: int = 0,
) -> dict[str, BoolArray]:
    """Prunes ``model`` in place; each weight in its own pattern.

    Args:
        model: A Keras model of either Keras, with one input.
        weights: What to prune, from :func:`edgeprune.prune.keras_model.prunable_weights`, each of
            whose patterns is ``unstructured`` or a shape like ``4x1``, ``1x4`` or ``2:4``.
        calibration: A few hundred samples; ``taylor`` needs their targets as well.
        criterion: A name in :data:`CRITERIA`, or ``second_order``.
        sparsity: Share of each tensor's blocks to remove, in [0, 1), or one for each name.
        recovery: Some of :data:`RECOVERIES`.
        seed: Of the criterion ``random``.

    Returns:
        Masks by name in the kernels' own shapes, True where a weight stays.

    Raises:
        ModelError: Data and model do not fit together, a layer cannot be calibrated, or a name or
            a sparsity is wrong.
        UnknownPart: There is no such criterion.
    """
    if unknown := sorted(set(recovery) - set(RECOVERIES)):
        raise ModelError(f"no recovery is called {unknown[0]!r}; there are: batch_norm, bias")
    score = None if criterion == SECOND_ORDER else CRITERIA.get(criterion)
    plan = _plan(weights, sparsity)
    run = _Run(model, weights, calibration, seed)
    kept = [spot for spot in run.spots if needs_bias(spot)] if "bias" in recovery else []
    dense_means = mean_outputs(model, kept, run.weights, calibration.x)
    masks = {}
    for spot in run.spots:
        weight = run.weights[id(spot.layer)]
        shape, share = plan[weight.name]
        layer = _Layer(run, spot, weight)
        if score is None:
            done = layer.second_order(shape, share)
        else:
            scores = score(weight.matrix(), layer)
            mask = lowest_removed(scores.values, shape, share, scores.per_row)
            done = Pruning(filled(weight.matrix(), mask, shape.rows), mask)
        masks[weight.name] = _stored(weight, done)
    if "batch_norm" in recovery:
        re_estimate_batch_norm(model, calibration.x)
    correct_biases(model, kept, run.weights, calibration.x, dense_means)
    return masks


def _plan(
    weights: Sequence[Weight], sparsity: float | Mapping[str, float]
) -> dict[str, tuple[BlockShape, float]]:
    """Shape and sparsity by name, checked before anything is changed."""
    plan = {}
    for weight in weights:
        if isinstance(sparsity, Mapping) and weight.name not in sparsity:
            raise ModelError(f"no sparsity is given for {weight.name}: name every pruned tensor")
        share = float(sparsity[weight.name] if isinstance(sparsity, Mapping) else sparsity)
        shape = block_shape(weight.pattern)
        shape.check(share)
        plan[weight.name] = (shape, share)
    return plan


class _Run:
    """What all layers share while a model is pruned.

    Attributes:
        spots: The layers to prune, in the order in which they run.
        weights: Their kernels by ``id`` of the layer.
        dense: The model's weights before anything was pruned.
    """

    def __init__(
        self, model: Any, weights: Sequence[Weight], calibration: Calibration, seed: int
    ) -> None:
        self.model = model
        self.calibration = calibration
        self.seed = seed
        owners = {id(kernel): layer for _, layer in walk(model) for kernel in _kernels(layer)}
        if lost := [w.name for w in weights if id(w.variable) not in owners]:
            raise ModelError(f"{lost[0]} belongs to no layer of the model {model.name!r}")
        layers = [owners[id(weight.variable)] for weight in weights]
        self.weights = {id(layer): weight for layer, weight in zip(layers, weights, strict=True)}
        self.spots = spots(model, layers, next(batches(model, calibration.x, 1)))
        self.dense = Snapshot(model)
        self._all = list(weights)

    @cached_property
    def squared_gradients(self) -> dict[str, FloatArray]:
        """By name. The first layer asks before any is pruned, so they are the dense model's."""
        return squared_gradients(self.model, self._all, self.calibration)


def _kernels(layer: Any) -> list[Any]:
    found = [getattr(layer, name, None) for name in ("kernel", "pointwise_kernel")]
    return [kernel for kernel in found if kernel is not None]


class _Layer:
    """One layer's evidence for the criteria, and its second-order pruning."""

    def __init__(self, run: _Run, spot: Spot, weight: Weight) -> None:
        self._run = run
        self._spot = spot
        self._weight = weight

    def mean_squared_inputs(self) -> ScoreArray:
        found = mean_squared_inputs(self._run.model, self._spot, self._run.calibration.x)
        return found.repeat(self._weight.variable.shape[-1] // len(found), axis=0)

    def squared_gradients(self) -> ScoreArray:
        values = self._run.squared_gradients[self._weight.name]
        return values.reshape(-1, values.shape[-1]).T

    def batch_norm_scale(self) -> ScoreArray | None:
        gamma = getattr(self._spot.batch_norm, "gamma", None)
        return None if gamma is None else np.asarray(gamma.numpy())

    def random(self) -> np.random.Generator:
        return np.random.default_rng([self._run.seed, zlib.crc32(self._weight.name.encode())])

    def second_order(self, shape: BlockShape, sparsity: float) -> Pruning:
        """Each group of a grouped convolution is a matrix of its own."""
        run = self._run
        found = moments(run.model, self._spot, run.calibration.x, run.dense)
        matrix = self._weight.matrix()
        parts = np.split(matrix, len(found.hessian))
        done = [
            second_order(part, hessian, shape, sparsity, cross)
            for part, hessian, cross in zip(parts, found.hessian, found.cross, strict=True)
        ]
        return Pruning(
            np.concatenate([one.values for one in done]), np.concatenate([one.mask for one in done])
        )


def _stored(weight: Weight, done: Pruning) -> BoolArray:
    """Puts the pruned matrix into the kernel; gives its mask in the kernel's shape."""
    shape = tuple(weight.variable.shape)
    weight.variable.assign(done.values.T.reshape(shape))
    return np.ascontiguousarray(done.mask.T).reshape(shape)
