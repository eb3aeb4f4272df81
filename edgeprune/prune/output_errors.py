"""How much of a layer's output pruning takes away, on calibration samples.

The knapsack of the allocations adds up losses of layers. Of what can be measured without training,
this adds up best: beside the increase of the network's loss it is no sum of accidents of single
samples, and it has a common scale: 0 where nothing is lost, 1 where everything is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts import Array
from edgeprune.errors import ModelError
from edgeprune.prune.capture import batches, moments
from edgeprune.prune.intercept import Spot, spots
from edgeprune.prune.keras_model import Weight, walk
from edgeprune.prune.patterns import pattern

DoubleArray = NDArray[np.float64]


def output_errors(
    model: Any, weights: Sequence[Weight], x: Array, sparsities: Sequence[float]
) -> dict[str, DoubleArray]:
    """Prunes each layer alone to each sparsity, by magnitude, and compares its outputs.

    The error is ``tr(D H D^T) / tr(W H W^T)``: the mean square of the change of the outputs, before
    bias and activation, over that of the outputs. ``W`` are the weights, ``D`` those that go, and
    ``H`` the second moments of the layer's inputs. No weight of the model changes.

    Source: the numerator is the objective of Frantar and Alistarh 2022, "Optimal Brain
    Compression", section 3; the ratio is the share of energy that is lost.

    Args:
        model: One input.
        weights: Each is pruned in its pattern.
        x: Inputs ``(n, ...)``; a few hundred will do.
        sparsities: In [0, 1).

    Returns:
        By name of the weights an error for each sparsity, never negative.

    Raises:
        ModelError: A pattern does not fit its weight, or a layer cannot be calibrated.
    """
    found = {}
    for weight, spot in zip(weights, _spots(model, weights, x), strict=True):
        hessian = moments(model, spot, x).hessian
        matrix = weight.matrix()
        energy = max(_energy(matrix, hessian), np.finfo(np.float64).tiny)
        made = pattern(weight.pattern)
        masks = [made.mask(np.abs(matrix), share, weight.in_channels) for share in sparsities]
        errors = [_energy(np.where(mask, 0, matrix), hessian) / energy for mask in masks]
        found[weight.name] = np.array(errors)
    return found


def _spots(model: Any, weights: Sequence[Weight], x: Array) -> list[Spot]:
    """Each weight's layer in the model's run."""
    owners = {
        id(getattr(layer, name)): layer
        for _, layer in walk(model)
        for name in ("kernel", "pointwise_kernel")
        if getattr(layer, name, None) is not None
    }
    if lost := [weight.name for weight in weights if id(weight.variable) not in owners]:
        raise ModelError(f"{lost[0]} belongs to no layer of the model {model.name!r}")
    layers = [owners[id(weight.variable)] for weight in weights]
    found = {id(spot.layer): spot for spot in spots(model, layers, next(batches(model, x, 1)))}
    return [found[id(layer)] for layer in layers]


def _energy(matrix: Array, hessian: DoubleArray) -> float:
    """``tr(M H M^T)``, summed over the groups of a grouped convolution."""
    parts = np.split(matrix.astype(np.float64), len(hessian))
    return float(sum(((p @ h) * p).sum() for p, h in zip(parts, hessian, strict=True)))
