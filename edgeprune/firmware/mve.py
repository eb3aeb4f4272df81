"""How the kernels for Cortex-M55 (Helium) take their weights: ``firmware/kernels/*__mve.c``."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.firmware.operations import Add, Convolution, Operation, Pool, Window

POINTWISE_PIXELS = 16
"""Pixels whose inputs a pointwise convolution sets aside at once."""

SPARSE_PIXELS = 8
"""The same of a sparse convolution."""

_BYTES, _SIDE, _GROUP = 16, 4, 16


def _fours(size: int) -> int:
    return -(-size // _SIDE)


def is_pointwise(window: Window) -> bool:
    """Whether each output pixel reads the input pixel in its place, and no other."""
    return (window.kernel, window.stride, window.pad) == (
        (1, 1),
        (1, 1),
        (0, 0),
    ) and window.input[:2] == window.output[:2]


def fits(operation: Operation) -> bool:
    """Whether a kernel computes an operation other than a convolution, and exactly."""
    if isinstance(operation, Add):
        return operation.op == "ADD" and operation.shifts[2] >= 0
    return isinstance(operation, Pool) and operation.op == "AVERAGE_POOL_2D"


def rows(operation: Convolution) -> int:
    """Output channels that weights and table hold: with zeros, a multiple of 4."""
    channels = operation.window.output[2]
    return channels if operation.op == "DEPTHWISE_CONV_2D" else _fours(channels) * _SIDE


def row_bytes(operation: Convolution) -> int:
    """Bytes of one output channel's weights."""
    if operation.op == "DEPTHWISE_CONV_2D":
        height, width = operation.window.kernel
        return _fours(height) * _fours(width) * _BYTES
    row: int = operation.weights.shape[1]
    return -(-row // _BYTES) * _BYTES


def packed(operation: Convolution) -> Array:
    """Weights as the kernels read them; int8, shape ``(rows, row_bytes)`` in order of storage."""
    height, width = operation.window.kernel
    channels = len(operation.weights)
    if operation.op == "DEPTHWISE_CONV_2D":
        blocks = np.zeros((channels, _fours(height) * _SIDE, _fours(width) * _SIDE), np.int8)
        blocks[:, :height, :width] = operation.weights.reshape(channels, height, width)
        cut = blocks.reshape(channels, _fours(height), _SIDE, _fours(width), _SIDE)
        return cut.transpose(0, 1, 3, 4, 2).reshape(channels, row_bytes(operation))
    turned = operation.weights.reshape(channels, height, width, -1).transpose(0, 2, 1, 3)
    padded = np.zeros((rows(operation), row_bytes(operation)), np.int8)
    padded[:channels, : operation.weights.shape[1]] = turned.reshape(channels, -1)
    steps = padded.reshape(-1, _SIDE, padded.shape[1] // _BYTES, _BYTES).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(steps).reshape(padded.shape)


def scratch_bytes(operation: Convolution, pattern: str) -> int:
    """Bytes that a kernel needs for itself, beside its tensors."""
    window = operation.window
    (height, width), stride, dilation = window.kernel, window.stride[1], window.dilation[1]
    if operation.op == "FULLY_CONNECTED":
        return row_bytes(operation)
    if operation.op == "DEPTHWISE_CONV_2D":
        columns = (_fours(window.output[1]) * _SIDE - 1) * stride
        columns += (_fours(width) * _SIDE - 1) * dilation + 1
        return _GROUP + _fours(height) * columns * _GROUP * _SIDE
    if pattern == "blocks_1x16":
        return row_bytes(operation) * (SPARSE_PIXELS + (window.input[2] % _BYTES != 0))
    if is_pointwise(window):
        return window.input[2] * POINTWISE_PIXELS + _BYTES
    step = stride if dilation == 1 and stride < width else width
    columns = (window.output[1] - 1) * step + width
    return (columns * height + 1) * window.input[2] + _BYTES
