"""How a TFLite file stores its weights."""

from __future__ import annotations

from edgeprune.artifacts.model import Storage
from edgeprune.models.tflite import graph


def stored_as(tflite: bytes) -> Storage:
    """How a TFLite file stores the weights of its convolutions and dense layers.

    Returns:
        ``integers`` if any layer's are, else ``sparse`` if any are, else ``float16`` if any are.

    Raises:
        ModelError: Not a TFLite file.
    """
    model = graph.view(tflite)
    kinds = set()
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            operand = graph.FILTER_OPERANDS.get(graph.op_name(model, op))
            if operand is not None:
                kinds.add(_storage(graph.stored_source(subgraph, op.inputs[operand])))
    order: tuple[Storage, ...] = ("integers", "sparse", "float16")
    return next((storage for storage in order if storage in kinds), "float32")


def _storage(tensor: graph.Tensor) -> Storage:
    dtype = graph.dtype_of(tensor)
    if dtype is None or dtype.kind in "iu":
        return "integers"
    if tensor.sparsity is not None:
        return "sparse"
    return "float16" if dtype.itemsize == 2 else "float32"
