"""Prunes the filters of a float TFLite file at once, by magnitude: nothing can be trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from edgeprune.artifacts.arrays import Array, BoolArray, FloatArray
from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import Pruned, PrunedTensor
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.filters import Filter, filter_sizes, filters
from edgeprune.pruning.allocation import Candidate
from edgeprune.pruning.budget.kernel_pattern import Layer, pattern_choice
from edgeprune.pruning.patterns import by_magnitude
from edgeprune.pruning.plan import (
    LayerGoal,
    left_whole,
    nothing_to_prune,
    prospects,
    sparsities,
    that_fit,
    wanted,
)
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext


def prune_tflite(loaded: Loaded, tflite: bytes, spec: PruneTable, context: StageContext) -> Pruned:
    """Prunes a copy of a file.

    Args:
        loaded: The model.
        tflite: The file's bytes.
        spec: What to prune, and how.
        context: The board's cores, for the pattern ``kernel``. Data are of no use here, and where
            there are some, a note says so.

    Raises:
        ModelError: The criterion needs a Keras model, a name matches nothing, or a pattern does not
            fit.
    """
    if spec.criterion != "magnitude":
        raise ModelError(
            f"the criterion {spec.criterion} needs a Keras model: a .tflite file is pruned by "
            "magnitude"
        )
    model = graph.read(tflite)
    prunable = filters(model, spec.layers)
    if not prunable:
        return nothing_to_prune(loaded, spec)
    whole = left_whole(filter_sizes(model, spec.layers), filter_sizes(model, "all"))
    prunable, too_narrow = that_fit(wanted(prunable, spec), spec)
    choice = pattern_choice([_layer(kernel) for kernel in prunable], spec, context.cpu)
    layers = [
        Candidate(kernel.name, kernel.matrix.T.shape, np.abs(kernel.matrix)) for kernel in prunable
    ]
    shares = sparsities(layers, spec)
    goals = [
        LayerGoal(
            kernel.name,
            choice.patterns[kernel.name],
            kernel.matrix,
            kernel.in_channels,
            shares[kernel.name],
        )
        for kernel in prunable
    ]
    messages = (*prospects(goals), *too_narrow, *whole)
    masks, tensors = prune_filters(model, prunable, choice.patterns, shares)
    note = "weights were zeroed at once" + (
        ", without data" if context.data is None else ": a .tflite file cannot be fine-tuned"
    )
    return Pruned(
        dataclasses.replace(loaded, tflite=graph.write(model)),
        masks,
        tuple(tensors),
        fine_tuned=False,
        profiling_only=True,
        notes=(note, *messages, *choice.notes),
    )


def _layer(kernel: Filter) -> Layer:
    out_channels, in_channels = kernel.matrix.shape
    return Layer(kernel.name, out_channels, in_channels, kernel.pixels, kernel.in_channels)


def prune_filters(
    model: graph.Model,
    filters: list[Filter],
    patterns: Mapping[str, str],
    sparsities: Mapping[str, float],
) -> tuple[dict[str, BoolArray], list[PrunedTensor]]:
    """Zeroes the least important weights of each tensor in place.

    Args:
        model: Is changed.
        filters: The model's filters.
        patterns: Name of a filter to the pattern that prunes it.
        sparsities: Name of a filter to its share of zeros, in [0, 1).

    Returns:
        Masks by name in the filters' shapes, and what was pruned.
    """
    masks: dict[str, BoolArray] = {}
    tensors: list[PrunedTensor] = []
    for kernel in filters:
        pruned = by_magnitude(
            patterns[kernel.name], kernel.matrix, sparsities[kernel.name], kernel.in_channels
        )
        model.buffers[kernel.buffer].data = _bytes_of(pruned.values)
        masks[kernel.name] = pruned.mask.reshape(kernel.weights.shape)
        zeros = pruned.values.size - int(np.count_nonzero(pruned.values))
        tensors.append(PrunedTensor(kernel.name, pruned.values.size, zeros))
    return masks, tensors


def _bytes_of(values: FloatArray) -> Array:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
