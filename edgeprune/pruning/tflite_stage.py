"""Prunes the filters of a float TFLite file at once, by magnitude: nothing can be trained."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgeprune.artifacts.compression import Loaded, Pruned
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.pruning.allocation import Candidate
from edgeprune.pruning.flatbuffer import filter_sizes, filters, prune_filters
from edgeprune.pruning.masks.kernel_pattern import pattern_choice
from edgeprune.pruning.plan import Wish, left_whole, nothing_to_prune, prospects, sparsities, wanted
from edgeprune.pruning.spec import PruneSpec


def prune_tflite(
    loaded: Loaded, tflite: bytes, spec: PruneSpec, cpu: Cpu | None, *, has_data: bool
) -> Pruned:
    """Prunes a copy of a file.

    Args:
        loaded: The model.
        tflite: Its bytes.
        spec: The wish.
        cpu: The board's cores, or None.
        has_data: Whether the user gave data, which is of no use here; a note says so.

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
    found = filters(model, spec.layers)
    if not found:
        return nothing_to_prune(loaded, spec)
    whole = left_whole(filter_sizes(model, spec.layers), filter_sizes(model, "all"))
    found = wanted(found, spec)
    choice = pattern_choice([one.layer for one in found], spec, cpu)
    layers = [Candidate(one.name, one.matrix.T.shape, np.abs(one.matrix)) for one in found]
    shares = sparsities(layers, spec)
    wishes = [
        Wish(one.name, choice.patterns[one.name], one.matrix, one.in_channels, shares[one.name])
        for one in found
    ]
    told = (*prospects(wishes), *whole)
    masks, tensors = prune_filters(model, found, choice.patterns, shares)
    note = "weights were zeroed at once" + (
        ": a .tflite file cannot be fine-tuned" if has_data else ", without data"
    )
    return Pruned(
        dataclasses.replace(loaded, tflite=graph.write(model)),
        masks,
        tuple(tensors),
        fine_tuned=False,
        profiling_only=True,
        notes=(note, *told, *choice.notes),
    )
