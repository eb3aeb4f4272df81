"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.firmware.operations import Convolution, Operation, Window
from edgeprune.firmware.read.reader import Reader
from edgeprune.firmware.read.windows import checked, window_of
from edgeprune.firmware.rescale import multiplier_and_shift


def _weights(reader: Reader, op: Any) -> Array:
    values = reader.known(op.inputs[1], "weights")
    if values.dtype != np.int8:
        raise ModelError(
            f"firmware takes int8 weights, and these are {values.dtype}: quantize with "
            "--quantize int8"
        )
    return values


def _weight_scales(reader: Reader, op: Any, channels: int, axis: int) -> Array:
    """One scale for each output channel.

    Raises:
        ModelError: They are scales of something else, or zero points are not 0.
    """
    index = op.inputs[1]
    quantization = reader.tensor(index).quantization
    scales = () if quantization is None or quantization.scale is None else quantization.scale
    along = int(quantization.quantizedDimension) if len(scales) > 1 else axis
    if len(scales) not in (1, channels) or along != axis:
        raise ModelError(
            f"weights have {len(scales)} scales along axis {along}, and firmware takes one, or one "
            f"for each of the {channels} output channels (axis {axis}): quantize again"
        )
    if np.any(np.asarray(quantization.zeroPoint if quantization.zeroPoint is not None else 0) != 0):
        raise ModelError("weights have zero points other than 0, which int8 does not allow")
    return np.broadcast_to(np.asarray(scales, np.float64), (channels,))


def _bias(reader: Reader, op: Any, channels: int) -> Array:
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return np.zeros(channels, np.int64)
    values = reader.known(op.inputs[2], "biases")
    if values.dtype != np.int32:
        raise ModelError(
            f"firmware takes int32 biases, and these are {values.dtype}: quantize with "
            "--quantize int8"
        )
    return values.astype(np.int64).reshape(-1)


def _convolution(
    reader: Reader, name: str, op: Any, window: Window, weights: Array, scales: Array
) -> Operation:
    """``weights``: shape ``(out_channels, row)``."""
    in_scale, zero_point = reader.scale(op.inputs[0])
    out_scale, _ = reader.scale(op.outputs[0])
    factors = [multiplier_and_shift(in_scale * scale / out_scale) for scale in scales]
    sums = weights.astype(np.int64).sum(axis=1)
    found = Convolution(
        name,
        window,
        weights,
        _bias(reader, op, len(weights)) - zero_point * sums,
        np.array([factor[0] for factor in factors], np.int64),
        np.array([factor[1] for factor in factors], np.int64),
    )
    if found.max_sum >= 1 << 31:
        raise ModelError(
            f"sums of a channel can reach {found.max_sum}, more than 32 bits hold: quantize again, "
            "its bias is out of all proportion to its weights"
        )
    return found


def conv_2d(reader: Reader, op: Any) -> Operation:
    """Reads CONV_2D."""
    weights, options = _weights(reader, op), op.builtinOptions
    dilation = int(options.dilationHFactor), int(options.dilationWFactor)
    window = window_of(reader, op, weights.shape[1:3], dilation)
    if weights.shape[3] != window.input[2]:
        raise ModelError(
            f"firmware takes no groups, and these filters read {weights.shape[3]} of "
            f"{window.input[2]} channels"
        )
    scales = _weight_scales(reader, op, len(weights), 0)
    rows = weights.reshape(len(weights), -1)
    return _convolution(reader, "CONV_2D", op, window, rows, scales)


def depthwise_conv_2d(reader: Reader, op: Any) -> Operation:
    """Reads DEPTHWISE_CONV_2D."""
    weights, options = _weights(reader, op), op.builtinOptions
    dilation = int(options.dilationHFactor), int(options.dilationWFactor)
    window = window_of(reader, op, weights.shape[1:3], dilation)
    scales = _weight_scales(reader, op, weights.shape[3], 3)
    rows = np.ascontiguousarray(weights.reshape(-1, weights.shape[3]).T)
    if window.input[2] == 1:  # one channel is what every filter reads: a plain convolution
        return _convolution(reader, "CONV_2D", op, window, rows, scales)
    if window.input[2] != window.output[2]:
        raise ModelError(
            f"firmware takes a depth multiplier of 1, and this one makes {window.output[2]} "
            f"channels of {window.input[2]}: replace it by a convolution"
        )
    return _convolution(reader, "DEPTHWISE_CONV_2D", op, window, rows, scales)


def fully_connected(reader: Reader, op: Any) -> Operation:
    """Reads FULLY_CONNECTED."""
    weights = _weights(reader, op)
    units, size = weights.shape
    source, target = op.inputs[0], op.outputs[0]
    if op.builtinOptions.weightsFormat != 0:
        raise ModelError("firmware takes weights in rows, and these are shuffled")
    if reader.size(source) != size:
        raise ModelError(
            f"firmware takes one row of {size} at a time, and the input is {reader.shape(source)}"
        )
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
    scales = _weight_scales(reader, op, units, 0)
    return _convolution(reader, "FULLY_CONNECTED", op, checked(window), weights, scales)
