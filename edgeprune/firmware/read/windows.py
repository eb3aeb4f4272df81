"""How convolutions and pools look at their input; AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from typing import Any

from edgeprune.errors import ModelError
from edgeprune.firmware.operations import Operation, Pool, Window
from edgeprune.firmware.read.reader import Reader

_SAME = 0
"""Source: enum Padding of the schema."""

MAX_SIDE, MAX_CHANNELS = 4096, 65535
"""What ``ep_prepare`` allows of a height or width, and of channels."""


def _pad(padding: int, size: int, out: int, kernel: int, stride: int, dilation: int) -> int:
    if padding != _SAME:
        return 0
    return max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size) // 2


def checked(window: Window) -> Window:
    """A window that fits into a plan.

    Raises:
        ModelError: A side is too long.
    """
    sides = (*window.input[:2], *window.output[:2], *window.kernel, *window.stride)
    if max(*sides, *window.dilation) > MAX_SIDE:
        raise ModelError(f"firmware takes maps of at most {MAX_SIDE} rows and columns")
    if max(window.input[2], window.output[2]) > MAX_CHANNELS:
        raise ModelError(f"firmware takes at most {MAX_CHANNELS} channels")
    return window


def window_of(
    reader: Reader, op: Any, kernel: tuple[int, int], dilation: tuple[int, int]
) -> Window:
    """The window of a convolution or a pool.

    Raises:
        ModelError: Its input or output is no map, or too large.
    """
    source, target = op.inputs[0], op.outputs[0]
    size, out = reader.map_shape(source), reader.map_shape(target)
    options = op.builtinOptions
    stride = int(options.strideH), int(options.strideW)
    pads = [
        _pad(options.padding, size[i], out[i], kernel[i], stride[i], dilation[i]) for i in range(2)
    ]
    return checked(
        Window(
            size,
            out,
            (int(kernel[0]), int(kernel[1])),
            stride,
            dilation,
            (pads[0], pads[1]),
            (reader.scale(source)[1], reader.scale(target)[1]),
            reader.limits(options.fusedActivationFunction, target),
        )
    )


def _pool(reader: Reader, op: Any, name: str) -> Operation:
    if reader.scale(op.inputs[0]) != reader.scale(op.outputs[0]):
        raise ModelError("firmware pools within one scale, and input and output have two")
    kernel = int(op.builtinOptions.filterHeight), int(op.builtinOptions.filterWidth)
    return Pool(name, window_of(reader, op, kernel, (1, 1)))


def average_pool_2d(reader: Reader, op: Any) -> Operation:
    """Reads AVERAGE_POOL_2D."""
    return _pool(reader, op, "AVERAGE_POOL_2D")


def max_pool_2d(reader: Reader, op: Any) -> Operation:
    """Reads MAX_POOL_2D."""
    return _pool(reader, op, "MAX_POOL_2D")
