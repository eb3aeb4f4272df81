"""Makes masks by the criterion that a spec names: at once, or again and again while training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import BoolArray, FloatArray
from edgeprune.models.keras.weights import Weight
from edgeprune.pruning.calibration.evidence import ModelEvidence
from edgeprune.pruning.calibration.samples import check_samples
from edgeprune.pruning.criteria.base import CRITERIA
from edgeprune.pruning.masks.masking import Pruner, prune_weight
from edgeprune.pruning.one_shot import dense_scores, one_shot
from edgeprune.recipe.prune_parts import CRITERIA as ROWS
from edgeprune.recipe.prune_parts import SCHEDULES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.capture import BATCH, Calibration, SquaredGradients


def pruner(
    model: Any, weights: Sequence[Weight], spec: PruneTable, calibration: Calibration | None
) -> Pruner:
    """Prunes the weights to given sparsities, by the spec's criterion.

    With the schedule ``one_shot`` that is :func:`edgeprune.pruning.one_shot.one_shot` with
    recovery. With others it scores weights anew each time; what was pruned before scores 0 and
    stays so, or its score is the same as before (``random``). The gradients of ``taylor`` are then
    of batches, because those of single samples would take as long as the training.

    Args:
        model: Dense, unchanged so far.
        weights: Weights of the model that are pruned.
        spec: Checked.
        calibration: From :func:`edgeprune.pruning.calibration.samples.calibration`.

    Raises:
        ModelError: The model does not know such samples; see :func:`check_samples`.
    """
    at_once = SCHEDULES[spec.schedule].at_once
    looks_at = ROWS[spec.criterion].looks_at
    recovery = spec.recovery if calibration and at_once else ()
    # A model that is trained afterwards may know nothing yet.
    if calibration and (looks_at != "nothing" or (recovery and not spec.epochs)):
        check_samples(model, calibration)
    if at_once:
        return lambda sparsities: one_shot(
            model,
            weights,
            calibration,
            criterion=spec.criterion,
            sparsity=sparsities,
            recovery=recovery,
            seed=spec.seed,
        )
    if spec.criterion == "taylor" and calibration:
        return _Taylor(weights, SquaredGradients(model, weights, calibration, BATCH))
    if spec.criterion == "magnitude":
        return lambda sparsities: {w.name: prune_weight(w, sparsities[w.name]) for w in weights}
    evidence = ModelEvidence(model, weights, None, spec.seed)
    score = CRITERIA.get(spec.criterion)

    def scored(sparsities: Mapping[str, float]) -> dict[str, BoolArray]:
        return {
            w.name: prune_weight(w, sparsities[w.name], score(w.matrix(), evidence.of(w)).values)
            for w in weights
        }

    return scored


class _Taylor:
    """All gradients are taken before the first weight is pruned."""

    def __init__(self, weights: Sequence[Weight], squares: SquaredGradients) -> None:
        self._weights = weights
        self._squares = squares

    def __call__(self, sparsities: Mapping[str, float]) -> dict[str, BoolArray]:
        squares = self._squares()
        return {
            w.name: prune_weight(
                w, sparsities[w.name], w.as_matrix(squares[w.name]) * np.square(w.matrix())
            )
            for w in self._weights
        }


def scores_of(
    model: Any, weights: Sequence[Weight], spec: PruneTable, calibration: Calibration | None
) -> dict[str, FloatArray]:
    """Scores of the dense model's weights by the spec's criterion, comparable between layers.

    For the allocation ``global``. Shapes are those of :meth:`Weight.matrix`.

    Raises:
        ModelError: A layer cannot be calibrated.
    """
    scores = dense_scores(ModelEvidence(model, weights, calibration, spec.seed), spec.criterion)
    return {name: np.asarray(one.values, np.float32) for name, one in scores.items()}
