"""Decides what each layer of a Keras model gets of the sparsity, and says on what grounds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.pruned import LayerShare
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError
from edgeprune.models.keras.weights import Weight
from edgeprune.prediction import has_sparse_kernels
from edgeprune.prediction.cost import Costs
from edgeprune.prediction.cost.cycles import costs_of
from edgeprune.pruning.allocation import Candidate
from edgeprune.pruning.budget.curve import Curve
from edgeprune.pruning.budget.kernel_pattern import Layer
from edgeprune.pruning.budget.layer_costs import layer_costs
from edgeprune.pruning.budget.output_errors import additive, error, output_errors
from edgeprune.pruning.budget.sensitivity import POINTS, drawn, grid, loss_increases
from edgeprune.pruning.masks.pruner import scores_of
from edgeprune.pruning.patterns import pattern
from edgeprune.pruning.plan import sparsities
from edgeprune.recipe.prune_parts import ALLOCATIONS
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.capture import Calibration

DoubleArray = NDArray[np.float64]


def candidates(
    model: Any, weights: Sequence[Weight], spec: PruneTable, calibration: Calibration | None
) -> list[Candidate]:
    """Weights as an allocation sees them; ``global`` alone looks at their scores."""
    if spec.allocation == "global" and spec.criterion != "magnitude":
        scores = scores_of(model, weights, spec, calibration)
    else:
        scores = {weight.name: np.abs(weight.matrix()) for weight in weights}
    return [Candidate(w.name, tuple(w.variable.shape), scores[w.name]) for w in weights]


def check_needs(spec: PruneTable, *, has_training: bool, has_board: bool) -> None:
    """Checks, before anything takes time, that an allocation gets what it measures with.

    Args:
        spec: What to prune, and how.
        has_training: Whether there is a Keras model, and data to train it on.
        has_board: Whether a board's cores are named.

    Raises:
        ModelError: Something is missing, or the pattern leaves no choice.
    """
    allocation = ALLOCATIONS[spec.allocation]
    if allocation.measures_loss and not has_training:
        raise ModelError(
            f"the allocation {spec.allocation} measures the loss of every layer: it needs a Keras "
            "model and training data (--data); uniform, global and erk need neither"
        )
    if allocation.needs_board and not has_board:
        raise ModelError(
            f"the allocation {allocation.name} counts what layers take on a board, and no board "
            "was named: use `edgeprune compress --board ...`, or the allocation sensitivity"
        )
    if not allocation.measures_loss or spec.pattern == "kernel":
        return
    if pattern(spec.pattern).share(0.3) != 0.3:
        raise ModelError(
            f"the pattern {spec.pattern} fixes the sparsity of every layer: there is nothing for "
            f"the allocation {spec.allocation} to choose"
        )


def layer_shares(
    model: Any,
    weights: Sequence[Weight],
    layers: Sequence[Layer],
    spec: PruneTable,
    training: TrainingData | None,
    calibration: Calibration | None = None,
    cpu: Cpu | None = None,
) -> tuple[LayerShare, ...]:
    """What each layer gets.

    Args:
        model: With the weights as they came; is the same afterwards.
        weights: What is pruned, each in its pattern.
        layers: Their sizes, in the same order.
        spec: What to prune, and how; :func:`check_needs` let it pass.
        training: Inputs and targets; only allocations that measure look at them.
        calibration: Samples for criteria that look at some; those of ``global`` alone count here,
            the allocations that measure prune by magnitude.
        cpu: The board's cores, or None.

    Raises:
        ModelError: The limits cannot be kept, the loss cannot be measured, or no costs are known
            that ``cost_aware`` could weigh.
    """
    costs = costs_of(cpu) if cpu is not None and has_sparse_kernels(cpu) else None
    if costs is None and ALLOCATIONS[spec.allocation].needs_board:
        raise ModelError(
            f"the allocation {spec.allocation} weighs what sparse kernels cost, and the board's "
            "core has none, or none whose costs are known: choose the allocation sensitivity"
        )
    priced = [_Priced(weight, layer, costs) for weight, layer in zip(weights, layers, strict=True)]
    layers_to_share = candidates(model, weights, spec, calibration)
    increases: dict[str, tuple[float, ...]] = {}
    if ALLOCATIONS[spec.allocation].measures_loss and training is not None:
        samples = drawn(training, spec.seed)
        increases = loss_increases(model, weights, samples, POINTS)
        points = grid(spec.sparsity)
        errors = output_errors(model, weights, samples.x, points)
        layers_to_share = [
            dataclasses.replace(candidate, curve=layer.curve(points, errors[candidate.name]))
            for candidate, layer in zip(layers_to_share, priced, strict=True)
        ]
    chosen = sparsities(layers_to_share, spec)
    return tuple(
        layer.share(chosen[candidate.name], candidate.curve, increases.get(candidate.name, ()))
        for candidate, layer in zip(layers_to_share, priced, strict=True)
    )


class _Priced:
    """A layer, and what it costs at any sparsity."""

    def __init__(self, weight: Weight, layer: Layer, costs: Costs | None) -> None:
        self._weight, self._layer, self._board = weight, layer, costs

    def curve(self, points: Sequence[float], errors: DoubleArray) -> Curve:
        """For an allocation."""
        losses = additive(np.maximum.accumulate(errors))
        return Curve(np.array(points), losses, self._costs(points))

    def share(self, sparsity: float, curve: Curve | None, increases: Sequence[float]) -> LayerShare:
        """For the report."""
        costs, at_points = self._costs([sparsity]), self._costs(POINTS)
        return LayerShare(
            name=self._weight.name,
            weights=math.prod(self._weight.variable.shape),
            pattern=self._weight.pattern,
            sparsity=sparsity,
            output_error=None if curve is None else error(curve.loss(sparsity)),
            loss_increase=float(np.interp(sparsity, POINTS, increases)) if increases else None,
            cost=None if costs is None else float(costs[0]),
            sparsities=POINTS,
            output_errors=() if curve is None else tuple(error(curve.loss(s)) for s in POINTS),
            loss_increases=tuple(increases),
            costs_at=() if at_points is None else tuple(map(float, at_points)),
            unit="instructions" if self._board is None else self._board.unit,
        )

    def _costs(self, shares: Sequence[float] | DoubleArray) -> DoubleArray | None:
        if self._board is None:
            return None
        return layer_costs(self._board, self._layer, self._weight.pattern, shares)
