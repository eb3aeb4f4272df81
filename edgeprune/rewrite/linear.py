"""Changes to the weights of one linear layer: CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED.

Filters have shape ``(out, height, width, in)``, ``(1, height, width, out)`` and ``(out, in)``.
Constants have shape ``(1,)`` or ``(channels,)``. A changed filter is a new constant, since the old
one may be shared; bias ``(out,)`` likewise.
"""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader

_OUTPUT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


def is_linear(reader: Reader, op: graph.Operator) -> bool:
    """Whether ``op`` is a float layer whose weights and bias are stored dense as float32."""
    if graph.op_name(reader.model, op) not in _OUTPUT_AXIS:
        return False
    operands = [int(i) for i in op.inputs]
    if reader.is_static(operands[0]):
        return False
    weights = [reader.values(i) for i in operands[1:] if i >= 0]
    return bool(weights) and all(w is not None and w.dtype == np.float32 for w in weights)


def scale_outputs(reader: Reader, op: graph.Operator, factors: FloatArray) -> None:
    """Multiplies what a layer makes, channel by channel, before its activation."""
    filters = filters_of(reader, op)
    shape = [1] * filters.ndim
    shape[_OUTPUT_AXIS[graph.op_name(reader.model, op)]] = -1
    _replace(reader, op, 1, filters * factors.reshape(shape))
    _replace(reader, op, 2, bias_of(reader, op) * factors)


def scale_inputs(reader: Reader, op: graph.Operator, factors: FloatArray) -> None:
    """Makes a layer compute what it did if its input were multiplied, channel by channel."""
    _replace(reader, op, 1, filters_of(reader, op) * _by_input(reader, op, factors))


def add_to_bias(reader: Reader, op: graph.Operator, constants: FloatArray) -> None:
    """Adds to what a layer makes, channel by channel, before its activation."""
    _replace(reader, op, 2, bias_of(reader, op) + constants)


def shift(reader: Reader, op: graph.Operator, constants: FloatArray) -> None:
    """Makes an unpadded layer compute what it did if constants were added to its input."""
    filters = filters_of(reader, op)
    axis = _OUTPUT_AXIS[graph.op_name(reader.model, op)]
    others = tuple(i for i in range(filters.ndim) if i != axis)
    products = filters.astype(np.float64) * _by_input(reader, op, constants)
    add_to_bias(reader, op, products.sum(axis=others).astype(np.float32))


def _by_input(reader: Reader, op: graph.Operator, constants: FloatArray) -> FloatArray:
    """Constants of input channels, in the order of the filter's last axis."""
    if graph.op_name(reader.model, op) == "DEPTHWISE_CONV_2D" and constants.size > 1:
        return np.repeat(constants, int(op.builtinOptions.depthMultiplier))
    return constants


def filters_of(reader: Reader, op: graph.Operator) -> Array:
    """A linear layer's weights, in the shape above."""
    tensor = reader.subgraph.tensors[int(op.inputs[1])]
    return graph.stored_values(reader.model, tensor).reshape(graph.shape_of(tensor))


def bias_of(reader: Reader, op: graph.Operator) -> FloatArray:
    """A layer's bias of shape ``(out,)``, zeros if it has none."""
    channels = reader.shape(int(op.inputs[1]))[_OUTPUT_AXIS[graph.op_name(reader.model, op)]]
    values = reader.values(int(op.inputs[2])) if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
    return np.zeros(channels, np.float32) if values is None else values.astype(np.float32)


def _replace(reader: Reader, op: graph.Operator, operand: int, values: Array) -> None:
    name = f"{reader.name(int(op.outputs[0]))}/{'weights' if operand == 1 else 'bias'}"
    tensor = edit.add_constant(reader.model, reader.subgraph, values.astype(np.float32), name)
    inputs = [int(i) for i in op.inputs]
    inputs += [-1] * (operand + 1 - len(inputs))
    inputs[operand] = tensor
    op.inputs = np.array(inputs, np.int32)
