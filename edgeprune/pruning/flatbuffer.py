"""Prunes the weights of a float TFLite file, where there is no Keras model to train."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.compression import Array, BoolArray, FloatArray, PrunedTensor
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.pruning.budget.layer_sizes import pixels_of
from edgeprune.pruning.masks.kernel_pattern import Layer
from edgeprune.pruning.patterns import by_magnitude


@dataclass(frozen=True)
class Filter:
    """A weight tensor to prune.

    Attributes:
        name: The tensor's, made unique.
        buffer: Index of its buffer.
        weights: Shape ``(out_channels, ..., in_channels)``.
        pixels: As :func:`pixels_of` says.
    """

    name: str
    buffer: int
    weights: FloatArray
    pixels: int

    @property
    def matrix(self) -> FloatArray:
        """The weights as ``(out_channels, in_channels)``."""
        return self.weights.reshape(self.weights.shape[0], -1)

    @property
    def in_channels(self) -> int:
        """Input channels, without a convolution's taps."""
        return int(self.weights.shape[-1])

    @property
    def layer(self) -> Layer:
        """What the choice of a pattern needs to know."""
        out_channels, in_channels = self.matrix.shape
        return Layer(self.name, out_channels, in_channels, self.pixels)


def filters(model: graph.Model, layers: str) -> list[Filter]:
    """The weights to prune in graph order, each once.

    Args:
        model: A float32 model.
        layers: ``paying`` takes 1x1 convolutions of stride 1 or 2 and dense layers, ``all`` every
            convolution that is not depthwise.

    Raises:
        ModelError: A tensor to prune is not stored as dense float32.
    """
    found: dict[int, Filter] = {}
    names: set[str] = set()
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if not _is_prunable(model, subgraph, op, layers):
                continue
            tensor = graph.stored_source(subgraph, op.inputs[1])
            buffer = int(tensor.buffer)
            if buffer in found or model.buffers[buffer].data is None:
                continue  # shared with an operator before, or computed at run time
            name = graph.tensor_name(tensor)
            weights = graph.constant(model, tensor)
            if weights is None or weights.dtype != "float32":
                raise ModelError(
                    f"weights of {name!r} are already quantized or sparse, expected float32: "
                    "use --sparsity 0"
                )
            name = name if name not in names else f"{name}#{buffer}"
            names.add(name)
            found[buffer] = Filter(name, buffer, weights, pixels_of(model, subgraph, op))
    return list(found.values())


def filter_sizes(model: graph.Model, layers: str) -> list[int]:
    """Sizes of what :func:`filters` takes, however it is stored."""
    found: dict[int, int] = {}
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if _is_prunable(model, subgraph, op, layers):
                tensor = graph.stored_source(subgraph, op.inputs[1])
                found[int(tensor.buffer)] = math.prod(int(size) for size in tensor.shape)
    return list(found.values())


def prune_filters(
    model: graph.Model,
    found: list[Filter],
    patterns: Mapping[str, str],
    sparsities: Mapping[str, float],
) -> tuple[dict[str, BoolArray], list[PrunedTensor]]:
    """Zeroes the least important weights of each tensor in place.

    Args:
        model: Is changed.
        found: Its filters.
        patterns: Name of a filter to the pattern that prunes it.
        sparsities: Name of a filter to its share of zeros, in [0, 1).

    Returns:
        Masks by name in the filters' shapes, and what was pruned.
    """
    masks: dict[str, BoolArray] = {}
    tensors: list[PrunedTensor] = []
    for one in found:
        done = by_magnitude(patterns[one.name], one.matrix, sparsities[one.name], one.in_channels)
        model.buffers[one.buffer].data = _bytes_of(done.values)
        masks[one.name] = done.mask.reshape(one.weights.shape)
        zeros = done.values.size - int(np.count_nonzero(done.values))
        tensors.append(PrunedTensor(one.name, done.values.size, zeros))
    return masks, tensors


def _is_prunable(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator, layers: str
) -> bool:
    name = graph.op_name(model, op)
    if name == "CONV_2D":
        is_paying = graph.is_pointwise(model, subgraph, op, graph.PAYING_STRIDES)
        return layers == "all" or is_paying
    return name == "FULLY_CONNECTED"


def _bytes_of(values: FloatArray) -> Array:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
