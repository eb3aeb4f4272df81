"""Makes up for some of the damage of pruning from calibration data alone, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.models.keras.intercept import Spot
from edgeprune.models.keras.weights import Weight
from edgeprune.training.batch_norm import BatchNormStatistics
from edgeprune.training.capture import BATCH, DoubleArray, answers, mean_inputs
from edgeprune.training.layer_rows import can_unroll

_SAME = 1e-6
"""Errors that differ by less are equal. Source: float32."""


def re_estimate_batch_norm(model: Any, x: Array) -> None:
    """Measures batch normalization's means and variances anew on calibration samples.

    Source: as :func:`edgeprune.training.batch_norm.BatchNormStatistics`.

    Args:
        model: Changed in place; frozen layers are left alone.
        x: Inputs ``(n, ...)``; what fills no batch is not used.
    """
    fixed = model.inputs[0].shape[0] if getattr(model, "inputs", None) else None
    BatchNormStatistics(model).measure(x, np.arange(len(x)), int(fixed or min(BATCH, len(x))))


def mean_outputs(model: Any, layers: Sequence[tuple[Spot, Weight]], x: Array) -> list[DoubleArray]:
    """Mean of each layer's output before bias and activation, ``(out_channels,)`` each.

    Args:
        model: Run as at inference.
        layers: Where they occur, and their kernels.
        x: Inputs ``(n, ...)``.
    """
    return [_mean_output(model, spot, weight, x) for spot, weight in layers]


def correct_biases(
    model: Any,
    layers: Sequence[tuple[Spot, Weight]],
    dense_means: Sequence[DoubleArray],
    x: Array,
    dense_answers: DoubleArray,
) -> None:
    """Shifts biases so that each channel's mean output is that of the dense model again.

    Layers come in the order in which they run, each measured behind the corrected ones. A shift
    that takes the model's answers further from the dense model's is undone: where little of a
    signal is left, all of its mean drowns the rest.

    Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
    Correction", section 4.2, with means measured instead of derived; undoing is ours.

    Args:
        model: Changed in place.
        layers: Where they occur, and their pruned kernels; each has a bias.
        dense_means: From :func:`mean_outputs` of the dense model.
        x: Inputs ``(n, ...)``.
        dense_answers: From :func:`answers` of the dense model.
    """
    error = _error(model, x, dense_answers) if layers else 0.0
    for (spot, weight), wanted in zip(layers, dense_means, strict=True):
        shift = wanted - _mean_output(model, spot, weight, x)
        old = np.asarray(spot.layer.bias.numpy())
        spot.layer.bias.assign(old + shift.reshape(old.shape).astype(old.dtype))
        corrected = _error(model, x, dense_answers)
        if corrected <= error + _SAME:
            error = corrected
        else:
            spot.layer.bias.assign(old)


def _error(model: Any, x: Array, dense_answers: DoubleArray) -> float:
    """1 minus the cosine of the model's answers and the dense model's.

    Each sample's answers count less their mean, which no class gains by. A mean squared difference
    would praise a model that answers every sample alike.
    """
    found, wanted = (_centred(one) for one in (answers(model, x), dense_answers))
    energy = np.square(found).sum() * np.square(wanted).sum()
    return 1.0 - float((found * wanted).sum() / np.sqrt(energy)) if energy else 1.0


def _centred(rows: DoubleArray) -> DoubleArray:
    return rows - rows.mean(axis=1, keepdims=True) if rows.shape[1] > 1 else rows


def needs_bias(spot: Spot) -> bool:
    """Whether the layer has a bias whose correction is of use, and inputs that can be unrolled.

    A layer whose output goes into batch normalization needs none: that subtracts the mean anyway,
    and its statistics may have been measured anew.
    """
    has_bias = getattr(spot.layer, "bias", None) is not None
    return has_bias and spot.batch_norm is None and can_unroll(spot.layer)


def _mean_output(model: Any, spot: Spot, weight: Weight, x: Array) -> DoubleArray:
    means = mean_inputs(model, spot, x)
    groups, in_features = means.shape
    matrix = weight.matrix().astype(np.float64).reshape(groups, -1, in_features)
    return np.asarray(np.einsum("goi,gi->go", matrix, means).reshape(-1))
