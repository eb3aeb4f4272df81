"""Sizes of a Keras model's layers, read from the same model as float TFLite.

A kernel is found again by its values. The converter folds batch normalization into a
convolution, which scales each output channel as a whole, so the largest weight of a channel keeps
its place. Names and order do not survive conversion reliably.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.models.keras.weights import Weight
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.filters import pixels_of
from edgeprune.pruning.budget.kernel_pattern import Layer

SAME_SHARE = 0.9
"""Share of channels whose largest weight must be at the same place; rounding may move a tie."""


@dataclass(eq=False)
class _Sized:
    shape: tuple[int, ...]
    places: NDArray[np.intp]
    pixels: int


def sizes(tflite: bytes, matrices: Sequence[FloatArray]) -> list[int | None]:
    """Finds weight matrices in a converted model.

    Args:
        tflite: The unpruned model.
        matrices: The model's kernels as ``(out_channels, in_channels)``, in any order.

    Returns:
        For each matrix :func:`pixels_of` its operator, or None where it was not found.
    """
    stored = _stored(tflite)
    found: list[int | None] = []
    for matrix in matrices:
        places = _places(matrix)
        same = [
            one
            for one in stored
            if one.shape == matrix.shape and np.mean(one.places == places) >= SAME_SHARE
        ]
        found.append(same[0].pixels if same else None)
        if same:
            stored.remove(same[0])
    return found


def _stored(tflite: bytes) -> list[_Sized]:
    model = graph.view(tflite)
    found: list[_Sized] = []
    seen: set[int] = set()
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if graph.op_name(model, op) not in ("CONV_2D", "FULLY_CONNECTED"):
                continue
            tensor = graph.stored_source(subgraph, op.inputs[1])
            data = graph.constant(model, tensor)
            if data is not None and int(tensor.buffer) not in seen:
                seen.add(int(tensor.buffer))
                matrix = data.reshape(data.shape[0], -1)
                pixels = pixels_of(model, subgraph, op)
                found.append(_Sized(matrix.shape, _places(matrix), pixels))
    return found


def _places(matrix: Array) -> NDArray[np.intp]:
    """Where each output channel's largest weight is."""
    return np.asarray(np.argmax(np.abs(matrix), axis=1))


def layers_of(weights: list[Weight], dense: bytes | None) -> list[Layer]:
    """What the choice of a pattern needs to know of each kernel.

    Args:
        weights: Kernels of the unpruned model.
        dense: The same model as float TFLite; None leaves the sizes unknown.
    """
    matrices = [weight.matrix() for weight in weights]
    pixels = [None] * len(weights) if dense is None else sizes(dense, matrices)
    return [
        Layer(weight.name, matrix.shape[0], matrix.shape[1], size, weight.in_channels)
        for weight, matrix, size in zip(weights, matrices, pixels, strict=True)
    ]
