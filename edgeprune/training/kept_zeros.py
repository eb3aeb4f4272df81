"""Keeps the zeros that a model has, whoever made them, while it is trained further."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from edgeprune.artifacts.compression import Flavour
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning.masks.masking import Masks


def held_zeros(model: Any, flavour: Flavour, besides: Collection[int] = ()) -> Masks:
    """Masks that keep every zero weight of convolutions and dense layers; to be entered.

    Args:
        model: A model of either Keras.
        flavour: Which.
        besides: ``id`` of variables to leave alone.
    """
    weights = [one for one in prunable_weights(model, "all") if id(one.variable) not in besides]
    masks = Masks(
        model, weights, dict.fromkeys((one.name for one in weights), 0.0), flavour=flavour
    )
    masks.set({one.name: one.value() != 0 for one in weights})
    return masks
