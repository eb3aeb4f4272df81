"""Prunes a trained Keras model at once from calibration samples, without training.

Layers go in the order in which they run, each calibrated on the outputs of those pruned before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import BoolArray
from edgeprune.errors import ModelError
from edgeprune.models.keras.intercept import Spot
from edgeprune.models.keras.weights import Weight
from edgeprune.progress import each
from edgeprune.pruning.calibration.evidence import ModelEvidence
from edgeprune.pruning.criteria.base import CRITERIA, Criterion, Scores
from edgeprune.pruning.one_shot.block_shape import BlockShape, block_shape
from edgeprune.pruning.one_shot.recovery import (
    correct_biases,
    mean_outputs,
    needs_bias,
    re_estimate_batch_norm,
)
from edgeprune.pruning.one_shot.second_order import saliency, second_order
from edgeprune.pruning.patterns import Pruning, pattern
from edgeprune.recipe.prune_parts import CRITERIA as ROWS
from edgeprune.recipe.prune_table import RECOVERIES
from edgeprune.text.near_names import did_you_mean
from edgeprune.training.capture import Calibration, answers, moments


def one_shot(
    model: Any,
    weights: Sequence[Weight],
    calibration: Calibration | None,
    *,
    criterion: str,
    sparsity: float | Mapping[str, float],
    recovery: Sequence[str] = RECOVERIES,
    seed: int = 0,
) -> dict[str, BoolArray]:
    """Prunes ``model`` in place; each weight in its own pattern.

    Args:
        model: A Keras model of either Keras, with one input.
        weights: What to prune, from :func:`edgeprune.models.keras.weights.prunable_weights`.
        calibration: A few hundred samples; ``taylor`` needs their targets as well. None will do for
            the other criteria that look at no layer's inputs, without recovery.
        criterion: A name in :data:`edgeprune.recipe.prune_parts.CRITERIA`.
        sparsity: Share of each tensor's blocks to remove, in [0, 1), or one for each name.
        recovery: Some of :data:`RECOVERIES`. Biases of layers whose inputs cannot be unrolled
            (transposed convolutions) stay as they are.
        seed: Random seed of the criterion ``random``.

    Returns:
        Masks by name in the kernels' own shapes, True where a weight stays.

    Raises:
        ModelError: Data and model do not fit together, a layer cannot be calibrated, a pattern does
            not fit, or a name or a sparsity is wrong.
        UnknownPart: There is no such criterion.
    """
    if unknown := sorted(set(recovery) - set(RECOVERIES)):
        hint = did_you_mean(unknown[0], RECOVERIES)
        raise ModelError(
            f"no recovery is called {unknown[0]!r}; there are: {', '.join(RECOVERIES)}{hint}"
        )
    score = _score_of(criterion)
    shares = _shares(weights, sparsity)
    shapes = {w.name: block_shape(w.pattern) for w in weights} if score is None else {}
    evidence = ModelEvidence(model, weights, calibration, seed)
    kept = _correctable(evidence) if "bias" in recovery else []
    means = mean_outputs(model, kept, evidence.calibration.x) if kept else []
    wanted = answers(model, evidence.calibration.x) if kept else np.empty(0)
    ordered = list(weights)
    if score is None or ROWS[criterion].in_order:
        by_name = {weight.name: weight for weight in weights}
        ordered = [by_name[name] for name in evidence.spots]
    masks = {}
    for weight in each(ordered, "layer"):
        share = shares[weight.name]
        if score is None:
            pruned = _second_order(evidence, weight, shapes[weight.name], share)
        else:
            pruned = _scored(weight, score(weight.matrix(), evidence.of(weight)), share)
        weight.variable.assign(weight.as_tensor(pruned.values))
        masks[weight.name] = np.asarray(weight.as_tensor(pruned.mask), np.bool_)
    if "batch_norm" in recovery:
        re_estimate_batch_norm(model, evidence.calibration.x)
    if kept:
        correct_biases(model, kept, means, evidence.calibration.x, wanted)
    return masks


def _score_of(criterion: str) -> Criterion | None:
    """The function that scores weights; None where the criterion moves weights as well."""
    row = ROWS.get(criterion)
    return None if row is not None and row.moves_weights else CRITERIA.get(criterion)


def dense_scores(evidence: ModelEvidence, criterion: str) -> dict[str, Scores]:
    """Scores of all weights of the model as it is, by name; nothing is changed.

    Those of ``second_order`` are what a single removal costs after the others adapted, as a share
    of the layer's squared output, so that layers can be compared.

    Raises:
        ModelError: A layer cannot be calibrated.
        UnknownPart: There is no such criterion.
    """
    if (score := _score_of(criterion)) is not None:
        return {w.name: score(w.matrix(), evidence.of(w)) for w in evidence.weights}
    scores = {}
    for weight in each(evidence.weights, "layer"):
        spot = evidence.spots[weight.name]
        hessian = moments(evidence.model, spot, evidence.calibration.x).hessian
        parts = np.split(weight.matrix(), len(hessian))
        values = [saliency(part, own) for part, own in zip(parts, hessian, strict=True)]
        scores[weight.name] = Scores(np.concatenate(values))
    return scores


def _shares(weights: Sequence[Weight], sparsity: float | Mapping[str, float]) -> dict[str, float]:
    """Sparsity by name, checked before anything is changed, and that the pattern fits."""
    shares = {}
    for weight in weights:
        if isinstance(sparsity, Mapping) and weight.name not in sparsity:
            raise ModelError(f"no sparsity is given for {weight.name}: name every pruned tensor")
        goal = float(sparsity[weight.name] if isinstance(sparsity, Mapping) else sparsity)
        shape = pattern(weight.pattern)
        shares[weight.name] = shape.share(goal)
        try:
            shape.mask(np.abs(weight.matrix()), shares[weight.name], weight.in_channels)
        except ModelError as error:
            raise ModelError(f"{weight.name}: {error}") from error
    return shares


def _correctable(evidence: ModelEvidence) -> list[tuple[Spot, Weight]]:
    by_name = {weight.name: weight for weight in evidence.weights}
    return [(spot, by_name[name]) for name, spot in evidence.spots.items() if needs_bias(spot)]


def _scored(weight: Weight, scores: Scores, share: float) -> Pruning:
    shape = pattern(weight.pattern)
    matrix = weight.matrix()
    step = getattr(shape, "rows", 1) if scores.per_row else len(matrix)
    parts = [scores.values[first : first + step] for first in range(0, len(matrix), step)]
    mask = np.concatenate([shape.mask(part, share, weight.in_channels) for part in parts])
    return Pruning(shape.finish(matrix, mask), mask)


def _second_order(
    evidence: ModelEvidence, weight: Weight, shape: BlockShape, share: float
) -> Pruning:
    """Each group of a grouped convolution is a matrix of its own."""
    spot = evidence.spots[weight.name]
    inputs = moments(evidence.model, spot, evidence.calibration.x, evidence.dense)
    parts = np.split(weight.matrix(), len(inputs.hessian))
    parts_pruned = [
        second_order(part, hessian, shape, share, cross, weight.in_channels)
        for part, hessian, cross in zip(parts, inputs.hessian, inputs.cross, strict=True)
    ]
    return Pruning(
        np.concatenate([one.values for one in parts_pruned]),
        np.concatenate([one.mask for one in parts_pruned]),
    )
