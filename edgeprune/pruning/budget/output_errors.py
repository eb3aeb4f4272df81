"""How much of a layer's output is lost by pruning it, on calibration samples.

Layers follow one another, so what reaches the end is about the product of what each one lets
through. The negative logarithm of that share is a loss which adds up over layers, as the knapsack
of the allocations wants it; and no layer is ever given up, because the logarithm of nothing is
infinite. The increase of the network's own loss is no such sum: it depends on accidents of single
samples, and says little about what training can mend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import Array, BoolArray, FloatArray
from edgeprune.models.keras.intercept import Spot, spots
from edgeprune.models.keras.weights import Weight, owners
from edgeprune.progress import each
from edgeprune.pruning.patterns import pattern
from edgeprune.training.capture import batches, hessians

DoubleArray = NDArray[np.float64]

WORST = 0.9999
"""Errors count as no more than this. Source: ours."""


def output_errors(
    model: Any, weights: Sequence[Weight], x: Array, sparsities: Sequence[float]
) -> dict[str, DoubleArray]:
    """Prunes each layer alone to each sparsity, by magnitude, and compares its outputs.

    The error is ``1 - <W, M>^2 / (<W, W> <M, M>)`` with ``<A, B> = tr(A H B^T)``: ``W`` are the
    weights, ``M`` those that are kept, and ``H`` the second moments of the layer's inputs. It is
    the share of the energy of the outputs, before bias and activation, that is lost when what is
    left is scaled as fits best; batch normalization and training do that. No weight changes.

    Source: ``H`` as in Frantar and Alistarh 2022, "Optimal Brain Compression", section 3; the
    error is 1 minus the squared cosine of pruned and dense outputs.

    Args:
        model: One input.
        weights: Each is pruned in its pattern.
        x: Inputs ``(n, ...)``; a few hundred will do.
        sparsities: In [0, 1).

    Returns:
        By name of the weights an error in [0, 1] for each sparsity.

    Raises:
        ModelError: A pattern does not fit its weight, or a layer cannot be calibrated.
    """
    found = {}
    measured = hessians(model, _spots(model, weights, x), x)
    for weight, hessian in each(zip(weights, measured, strict=True), "layer"):
        matrix = weight.matrix()
        outputs = _Outputs(matrix, hessian)
        chosen = pattern(weight.pattern)
        masks = (chosen.mask(np.abs(matrix), share, weight.in_channels) for share in sparsities)
        found[weight.name] = np.array([outputs.error(mask) for mask in masks])
    return found


def additive(errors: DoubleArray) -> DoubleArray:
    """``-log(1 - error)``, which adds up over layers; at most that of :data:`WORST`.

    >>> additive(np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [0.0, 0.693, 9.21]
    """
    return np.asarray(np.log(1 / (1 - np.minimum(errors, WORST))))


def error(loss: float) -> float:
    """The reverse of :func:`additive`."""
    return 1 - math.exp(-loss)


def _spots(model: Any, weights: Sequence[Weight], x: Array) -> list[Spot]:
    """Each weight's layer in the model's run."""
    layers = owners(model, weights)
    spot_of = {id(spot.layer): spot for spot in spots(model, layers, next(batches(model, x, 1)))}
    return [spot_of[id(layer)] for layer in layers]


class _Outputs:
    """One layer's outputs on the samples, by their moments."""

    def __init__(self, matrix: FloatArray, hessian: DoubleArray) -> None:
        self._parts = np.split(matrix.astype(np.float64), len(hessian))  # one a group
        self._hessian = hessian
        self._pulled = [part @ h for part, h in zip(self._parts, hessian, strict=True)]
        self._energy = self._product(self._parts)

    def error(self, mask: BoolArray) -> float:
        """Share of their energy that is lost under a mask, in [0, 1]."""
        masks = np.split(mask, len(self._parts))
        kept = [part * one for part, one in zip(self._parts, masks, strict=True)]
        energy = sum(
            float(((part @ h) * part).sum()) for part, h in zip(kept, self._hessian, strict=True)
        )
        if self._energy <= 0 or energy <= 0:
            return float(self._energy > 0)
        return max(0.0, 1 - self._product(kept) ** 2 / (self._energy * energy))

    def _product(self, parts: Sequence[DoubleArray]) -> float:
        """``<W, M>``, summed over groups."""
        pairs = zip(self._pulled, parts, strict=True)
        return float(sum((pulled * part).sum() for pulled, part in pairs))
