"""Prunes the weights of a float TFLite file, where there is no Keras model to train."""

from __future__ import annotations

import numpy as np

from edgeprune import graph
from edgeprune.artifacts import Array, BoolArray, FloatArray, PrunedTensor
from edgeprune.errors import ModelError
from edgeprune.prune.magnitude import magnitude_mask
from edgeprune.prune.spec import PruneSpec


def prune_tflite(
    tflite: bytes, spec: PruneSpec
) -> tuple[bytes, dict[str, BoolArray], list[PrunedTensor]]:
    """Zeroes the smallest weights of each tensor.

    Args:
        tflite: A float32 model.
        spec: ``layers`` ``paying`` takes 1x1 convolutions of stride 1 and dense layers, ``all``
            every convolution that is not depthwise.

    Returns:
        The new file, masks by tensor name, and what was pruned in graph order.

    Raises:
        ModelError: A tensor to prune is not stored as dense float32.
    """
    model = graph.read(tflite)
    masks: dict[str, BoolArray] = {}
    tensors: list[PrunedTensor] = []
    done: set[int] = set()
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if not _is_prunable(model, subgraph, op, spec.layers):
                continue
            tensor = graph.stored_source(subgraph, op.inputs[1])
            if int(tensor.buffer) in done or model.buffers[tensor.buffer].data is None:
                continue  # shared with an operator before, or computed at run time
            done.add(int(tensor.buffer))
            name = graph.tensor_name(tensor)
            weights = graph.constant(model, tensor)
            if weights is None or weights.dtype != "float32":
                raise ModelError(
                    f"weights of {name!r} are already quantized or sparse, expected float32: "
                    "use --sparsity 0"
                )
            mask = magnitude_mask(weights, spec.sparsity)
            model.buffers[tensor.buffer].data = _bytes_of(weights * mask)
            name = name if name not in masks else f"{name}#{tensor.buffer}"
            masks[name] = mask
            zeros = weights.size - int((weights * mask != 0).sum())
            tensors.append(PrunedTensor(name, weights.size, zeros))
    return graph.write(model), masks, tensors


def _is_prunable(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator, layers: str
) -> bool:
    name = graph.op_name(model, op)
    if name == "CONV_2D":
        return layers == "all" or graph.is_pointwise(model, subgraph, op)
    return name == "FULLY_CONNECTED"


def _bytes_of(values: FloatArray) -> Array:
    return np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
