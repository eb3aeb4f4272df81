"""The weight tensors of a model, and the smallest form that each may be stored in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import graph
from edgeprune.sparsify.encode import OVERHEAD_BYTES, Encoding, smallest_encoding


@dataclass
class Weight:
    """A weight tensor, the operator that reads it first, and what is decided for it.

    Attributes:
        subgraph: Where it is.
        tensor: The stored constant.
        index: The tensor's.
        op: Operator that reads it first, as ``CONV_2D``.
        name: Name of that operator's output.
        data: The weights.
        smallest: The tensor's smallest sparse encoding; None where it must stay dense to be right.
        growth: Bytes that the file grows by if it is stored in ``smallest``; often negative.
        is_sparse: Whether it is to be.
        reason: Why, or why not.
    """

    subgraph: graph.Subgraph
    tensor: graph.Tensor
    index: int
    op: str
    name: str
    data: Array
    smallest: Encoding | None = None
    growth: int = 0
    is_sparse: bool = False
    reason: str = ""

    def keep_dense(self, reason: str) -> None:
        """Decides for dense storage."""
        self.is_sparse, self.reason = False, reason


def weights_of(model: graph.Model, subgraph: graph.Subgraph) -> list[Weight]:
    """Every constant that is read as a filter and as nothing else, once, in graph order."""
    makers, readers = graph.producers(subgraph), graph.consumers(subgraph)
    weights: dict[int, Weight] = {}
    for op in subgraph.operators:
        name = graph.op_name(model, op)
        if name not in graph.FILTER_OPERANDS:
            continue
        index = int(op.inputs[graph.FILTER_OPERANDS[name]])
        maker = makers.get(index)
        is_dequantized = maker is not None and graph.op_name(model, maker) == "DEQUANTIZE"
        uses = readers[index]
        if is_dequantized and maker is not None:
            index = int(maker.inputs[0])
            uses = uses + [use for use in readers[index] if use[0] is not maker]
        tensor = subgraph.tensors[index]
        data = graph.constant(model, tensor)
        if index in weights or data is None or data.ndim < 2:
            continue
        shared = any(
            graph.FILTER_OPERANDS.get(graph.op_name(model, reading)) != operand
            for reading, operand in uses
        )
        output = graph.tensor_name(subgraph.tensors[op.outputs[0]])
        weight = Weight(subgraph, tensor, index, name, output, data)
        weights[index] = weight
        weight.reason = (
            "read by other operators too" if shared else obstacle(model, subgraph, op, tensor)
        )
        if not weight.reason:
            weight.smallest = smallest_encoding(data)
            weight.growth = weight.smallest.bytes + OVERHEAD_BYTES - data.nbytes
            weight.is_sparse = weight.growth < 0
            weight.reason = "sparse is smaller" if weight.is_sparse else "dense is smaller"
    return list(weights.values())


def obstacle(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator, tensor: graph.Tensor
) -> str:
    """Why a filter must stay dense for its outputs to be right; empty if it need not."""
    dtype = graph.dtype_of(tensor)
    activation = graph.dtype_of(subgraph.tensors[op.inputs[0]])
    if dtype not in (np.float32, np.float16, np.int8):
        return f"the runtime cannot unpack sparse {dtype} weights"
    if dtype == np.float16 and _bias_type(model, subgraph, op) == np.float32:
        return "fp16 weights with an fp32 bias come out wrong in LiteRT 1.4 to 2.1"
    if dtype == np.int8:
        is_direct = subgraph.tensors[op.inputs[1]] is tensor
        if is_direct and activation == np.float32:
            return "sparse dynamic-range weights are read as dense ones by the runtime"
        if is_direct and graph.op_name(model, op) != "CONV_2D":
            return "XNNPACK fails to compile integer layers but CONV_2D with unpacked weights"
        zero_points = tensor.quantization.zeroPoint if tensor.quantization else None
        if zero_points is None or np.any(np.asarray(zero_points) != 0):
            return "its zero point is not 0, which sparse storage assumes"
    return ""


def _bias_type(
    model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator
) -> np.dtype[np.generic] | None:
    """Type in which the bias is stored, looking through a DEQUANTIZE; None without a bias."""
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return None
    index = int(op.inputs[2])
    maker = graph.producers(subgraph).get(index)
    if maker is not None and graph.op_name(model, maker) == "DEQUANTIZE":
        index = int(maker.inputs[0])
    return graph.dtype_of(subgraph.tensors[index])
