"""The filters of a float TFLite file that may be pruned or clustered."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph


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


def filters(model: graph.Model, layers: str) -> list[Filter]:
    """The weights to prune in graph order, each once.

    Args:
        model: A float32 model.
        layers: ``accelerated`` takes 1x1 convolutions of stride 1 or 2 and dense layers, ``all``
            every convolution that is not depthwise.

    Raises:
        ModelError: A tensor to prune is not stored as dense float32.
    """
    by_buffer: dict[int, Filter] = {}
    names: set[str] = set()
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if not _is_prunable(model, subgraph, op, layers):
                continue
            tensor = graph.stored_source(subgraph, op.inputs[1])
            buffer = int(tensor.buffer)
            if buffer in by_buffer or model.buffers[buffer].data is None:
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
            by_buffer[buffer] = Filter(name, buffer, weights, pixels_of(model, subgraph, op))
    return list(by_buffer.values())


def filter_sizes(model: graph.Model, layers: str) -> list[int]:
    """Sizes of what :func:`filters` takes, however it is stored."""
    by_buffer: dict[int, int] = {}
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if _is_prunable(model, subgraph, op, layers):
                tensor = graph.stored_source(subgraph, op.inputs[1])
                by_buffer[int(tensor.buffer)] = math.prod(int(size) for size in tensor.shape)
    return list(by_buffer.values())


def pixels_of(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> int:
    """Height times width of a pointwise convolution's output; 0 for any other operator."""
    if not graph.is_pointwise(model, subgraph, op, graph.ACCELERATED_STRIDES):
        return 0
    _, height, width, _ = graph.shape_of(subgraph.tensors[op.outputs[0]])
    return height * width


def _is_prunable(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator, layers: str
) -> bool:
    name = graph.op_name(model, op)
    if name == "CONV_2D":
        is_accelerated = graph.is_pointwise(model, subgraph, op, graph.ACCELERATED_STRIDES)
        return layers == "all" or is_accelerated
    return name == "FULLY_CONNECTED"
