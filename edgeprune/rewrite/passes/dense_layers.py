"""A dense layer on one pixel is a 1x1 convolution of a 1x1 map.

Proof sketch. Both compute ``y[o] = sum_i w[o, i] x[i] + b[o]``; the weights have the same order in
``(out, in)`` and ``(out, 1, 1, in)``. The shapes of inputs and outputs are the caller's affair.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.linear import is_linear
from edgeprune.rewrite.neighbours import activation_of


def is_plain_dense(reader: Reader, op: graph.Operator) -> bool:
    """Whether ``op`` is a float dense layer on a vector, with constant weights."""
    return (
        graph.op_name(reader.model, op) == "FULLY_CONNECTED"
        and is_linear(reader, op)
        and not op.builtinOptions.weightsFormat
        and reader.shape(int(op.inputs[0]))[-1] == reader.shape(int(op.inputs[1]))[1]
    )


def as_convolution(reader: Reader, op: graph.Operator) -> None:
    """Makes a FULLY_CONNECTED a CONV_2D; XNNPACK wants a bias, so zeros are added if need be."""
    units, channels = reader.shape(int(op.inputs[1]))
    options = schema.Conv2DOptionsT()
    options.padding = edit.VALID
    options.strideH = options.strideW = 1
    options.dilationHFactor = options.dilationWFactor = 1
    bias = int(op.inputs[2]) if len(op.inputs) > 2 else -1
    if bias < 0:
        name = f"{reader.name(int(op.outputs[0]))}/bias"
        bias = edit.add_constant(reader.model, reader.subgraph, np.zeros(units, np.float32), name)
    weights = _reshaped(reader, int(op.inputs[1]), (units, 1, 1, channels))
    options.fusedActivationFunction = activation_of(op)
    op.opcodeIndex = graph.opcode_index(reader.model, "CONV_2D", 1)
    op.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    op.builtinOptions = options
    op.inputs = np.array([int(op.inputs[0]), weights, bias], np.int32)


def _reshaped(reader: Reader, tensor: int, shape: tuple[int, ...]) -> int:
    """The same weights in another shape, changed in place if nobody else reads them."""
    if len(reader.consumers[tensor]) > 1:
        subgraph = reader.subgraph
        values = graph.stored_values(reader.model, subgraph.tensors[tensor]).reshape(shape)
        return edit.add_constant(reader.model, subgraph, values, f"{reader.name(tensor)}/reshaped")
    reader.subgraph.tensors[tensor].shape = np.array(shape, np.int32)
    return tensor
