"""From an int8 ``.tflite`` to the steps of a plan; what firmware lacks is refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.firmware.operations import (
    Add,
    Alias,
    AveragePool,
    Convolution,
    Operation,
    Softmax,
    Step,
    Window,
)
from edgeprune.firmware.rescale import multiplier_and_shift
from edgeprune.models.tflite import graph

_SAME = 0
"""Source: enum Padding of the schema."""

_ACTIVATIONS = {0: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
"""Smallest and largest real value. Source: enum ActivationFunctionType of the schema."""

_ADD_LEFT_SHIFT = 20
_SOFTMAX_INTEGER_BITS = 5
"""Source: tensorflow/lite/kernels/{add,activations}.cc."""


class _Reader:
    """One network while it is read."""

    def __init__(self, model: graph.Model) -> None:
        self.model = model
        self.subgraph = model.subgraphs[0]

    def tensor(self, index: int) -> Any:
        return self.subgraph.tensors[int(index)]

    def scale(self, index: int) -> tuple[float, int]:
        """Scale and zero point of an int8 tensor."""
        quantization = self.tensor(index).quantization
        return float(np.float32(quantization.scale[0])), int(quantization.zeroPoint[0])

    def limits(self, activation: int, index: int) -> tuple[int, int]:
        scale, zero_point = self.scale(index)
        ends = [-128, 127]
        for side, real in enumerate(_ACTIVATIONS[activation]):
            if real is not None:
                stored = zero_point + round(real / scale)
                ends[side] = max(ends[0], stored) if side == 0 else min(ends[1], stored)
        return ends[0], ends[1]


def _map_shape(tensor: Any) -> tuple[int, int, int]:
    shape = graph.shape_of(tensor)
    if len(shape) != 4 or shape[0] != 1:
        raise ModelError(
            f"{graph.tensor_name(tensor)}: firmware takes maps of shape (1, height, width, "
            f"channels), and this one is {shape}"
        )
    return shape[1], shape[2], shape[3]


def _pad(padding: int, size: int, out: int, kernel: int, stride: int, dilation: int) -> int:
    if padding != _SAME:
        return 0
    return max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size) // 2


def _window(reader: _Reader, op: Any, kernel: tuple[int, int], dilation: tuple[int, int]) -> Window:
    source, target = op.inputs[0], op.outputs[0]
    size, out = _map_shape(reader.tensor(source)), _map_shape(reader.tensor(target))
    options = op.builtinOptions
    stride = int(options.strideH), int(options.strideW)
    pads = [
        _pad(options.padding, size[i], out[i], kernel[i], stride[i], dilation[i]) for i in range(2)
    ]
    return Window(
        size,
        out,
        kernel,
        stride,
        dilation,
        (pads[0], pads[1]),
        (reader.scale(source)[1], reader.scale(target)[1]),
        reader.limits(options.fusedActivationFunction, target),
    )


def _convolution(reader: _Reader, name: str, op: Any, window: Window, weights: Array) -> Operation:
    """``weights``: shape ``(out_channels, row)``."""
    in_scale, zero_point = reader.scale(op.inputs[0])
    out_scale, _ = reader.scale(op.outputs[0])
    channels = weights.shape[0]
    scales = np.asarray(reader.tensor(op.inputs[1]).quantization.scale, np.float64)
    scales = np.broadcast_to(scales, (channels,))
    bias = np.zeros(channels, np.int64)
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        bias = graph.stored_values(reader.model, reader.tensor(op.inputs[2])).astype(np.int64)
    factors = [multiplier_and_shift(in_scale * scale / out_scale) for scale in scales]
    sums = weights.astype(np.int64).sum(axis=1)
    return Convolution(
        name,
        window,
        weights,
        bias - zero_point * sums,
        np.array([factor[0] for factor in factors], np.int64),
        np.array([factor[1] for factor in factors], np.int64),
    )


def _weights(reader: _Reader, op: Any) -> Array:
    tensor = reader.tensor(op.inputs[1])
    values = graph.constant(reader.model, tensor)
    if values is None or values.dtype != np.int8:
        raise ModelError(f"{graph.tensor_name(tensor)}: firmware takes constant int8 weights")
    return values


def _conv_2d(reader: _Reader, op: Any) -> Operation:
    weights, options = _weights(reader, op), op.builtinOptions
    dilation = int(options.dilationHFactor), int(options.dilationWFactor)
    window = _window(reader, op, weights.shape[1:3], dilation)
    return _convolution(reader, "CONV_2D", op, window, weights.reshape(weights.shape[0], -1))


def _depthwise_conv_2d(reader: _Reader, op: Any) -> Operation:
    weights, options = _weights(reader, op), op.builtinOptions
    dilation = int(options.dilationHFactor), int(options.dilationWFactor)
    window = _window(reader, op, weights.shape[1:3], dilation)
    if window.input[2] != window.output[2]:
        raise ModelError("DEPTHWISE_CONV_2D: firmware takes a depth multiplier of 1")
    rows = weights.reshape(-1, weights.shape[3]).T
    return _convolution(reader, "DEPTHWISE_CONV_2D", op, window, np.ascontiguousarray(rows))


def _fully_connected(reader: _Reader, op: Any) -> Operation:
    weights = _weights(reader, op)
    units, size = weights.shape
    source, target = op.inputs[0], op.outputs[0]
    if math.prod(graph.shape_of(reader.tensor(source))) != size:
        raise ModelError("FULLY_CONNECTED: firmware takes one row at a time")
    window = Window(
        (1, 1, size),
        (1, 1, units),
        (1, 1),
        (1, 1),
        (1, 1),
        (0, 0),
        (reader.scale(source)[1], reader.scale(target)[1]),
        reader.limits(op.builtinOptions.fusedActivationFunction, target),
    )
    return _convolution(reader, "FULLY_CONNECTED", op, window, weights)


def _add(reader: _Reader, op: Any) -> Operation:
    first, second = (int(i) for i in op.inputs)
    target = int(op.outputs[0])
    shapes = {graph.shape_of(reader.tensor(i)) for i in (first, second, target)}
    if len(shapes) > 1:
        raise ModelError(f"ADD: firmware takes two inputs of one shape, and these are {shapes}")
    (scale_a, zero_a), (scale_b, zero_b) = reader.scale(first), reader.scale(second)
    scale_out, zero_out = reader.scale(target)
    twice = 2 * max(scale_a, scale_b)
    factors = [
        multiplier_and_shift(scale_a / twice),
        multiplier_and_shift(scale_b / twice),
        multiplier_and_shift(twice / ((1 << _ADD_LEFT_SHIFT) * scale_out)),
    ]
    return Add(
        math.prod(shapes.pop()),
        (zero_a, zero_b, zero_out),
        (factors[0][0], factors[1][0], factors[2][0]),
        (factors[0][1], factors[1][1], factors[2][1]),
        reader.limits(op.builtinOptions.fusedActivationFunction, target),
    )


def _average_pool_2d(reader: _Reader, op: Any) -> Operation:
    kernel = int(op.builtinOptions.filterHeight), int(op.builtinOptions.filterWidth)
    return AveragePool(_window(reader, op, kernel, (1, 1)))


def _softmax(reader: _Reader, op: Any) -> Operation:
    shape = graph.shape_of(reader.tensor(op.inputs[0]))
    scale, _ = reader.scale(op.inputs[0])
    real = min(
        op.builtinOptions.beta * scale * (1 << (31 - _SOFTMAX_INTEGER_BITS)), float((1 << 31) - 1)
    )
    multiplier, shift = multiplier_and_shift(real)
    left = -shift
    radius = math.floor(
        ((1 << _SOFTMAX_INTEGER_BITS) - 1) * (1 << (31 - _SOFTMAX_INTEGER_BITS)) / (1 << left)
    )
    return Softmax(math.prod(shape[:-1]), shape[-1], multiplier, left, -radius)


def _reshape(reader: _Reader, op: Any) -> Operation:
    return Alias()


_READERS: dict[str, Callable[[_Reader, Any], Operation]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _average_pool_2d,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "FULLY_CONNECTED": _fully_connected,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
}


def steps_of(model: graph.Model) -> list[Step]:
    """Reads every operator of an int8 network.

    Raises:
        ModelError: Firmware has no kernel for an operator, or for its types or shapes. All such are
            named in one line.
    """
    reader = _Reader(model)
    missing = sorted(
        {
            name
            for op in reader.subgraph.operators
            if (name := graph.op_name(model, op)) not in _READERS
        }
    )
    if missing:
        raise ModelError(
            f"the firmware has no kernel for {', '.join(missing)}; it has "
            f"{', '.join(sorted(_READERS))}"
        )
    steps = []
    for layer, op in enumerate(reader.subgraph.operators):
        name = graph.op_name(model, op)
        computed = tuple(
            int(i) for i in op.inputs if i >= 0 and graph.constant(model, reader.tensor(i)) is None
        )
        for index in (*computed, int(op.outputs[0])):
            if graph.dtype_of(reader.tensor(index)) != np.int8:
                raise ModelError(
                    f"{name} {layer}: firmware computes on int8, and "
                    f"{graph.tensor_name(reader.tensor(index))} is another type: quantize with "
                    "--quantize int8"
                )
        steps.append(Step(layer, _READERS[name](reader, op), computed, int(op.outputs[0])))
    return steps
