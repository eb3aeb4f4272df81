"""Keeps the zeros that a model has, whoever made them, while it is trained further."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from edgeprune.models.keras.weights import prunable_weights
from edgeprune.training.held_masks import HeldMasks


def held_zeros(model: Any, besides: Collection[int] = ()) -> HeldMasks:
    """Masks that keep every zero weight of convolutions and dense layers; to be entered.

    Args:
        model: A model of either Keras.
        besides: ``id`` of variables to leave alone.
    """
    weights = [
        one
        for one in prunable_weights(model, "all")
        if id(one.variable) not in besides and not one.value().all()
    ]
    masks = HeldMasks(model, weights)
    masks.set({one.name: one.value() != 0 for one in weights})
    return masks
