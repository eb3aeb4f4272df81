"""How often the loops of the kernels for Cortex-M55 turn: ``firmware/kernels/*__mve.c``."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edgeprune.firmware import mve
from edgeprune.firmware.operations import Convolution, Window

_BYTES, _SIDE, _GROUP = 16, 4, 16


def loops(
    operation: Convolution, pattern: str, weights: int, row_bytes: int
) -> Mapping[str, float]:
    """How often each loop turns, by its name in ``instruction_costs/mve.toml``.

    Args:
        operation: What is computed.
        pattern: How its weights are stored.
        weights: So many of them.
        row_bytes: Bytes of one output channel's weights, all kept.
    """
    if operation.op == "DEPTHWISE_CONV_2D":
        return _depthwise(operation)
    if operation.op == "FULLY_CONNECTED":
        channels = operation.window.output[2]
        blocks = weights / _BYTES
        return {"call": 1, "channel": channels, "input": row_bytes / _BYTES, "block": blocks}
    if pattern == "dense":
        return _dense(operation, row_bytes)
    return _sparse(operation, weights, row_bytes)


def _dense(operation: Convolution, row_bytes: int) -> Mapping[str, float]:
    window = operation.window
    height, width, channels = window.output
    groups, steps = math.ceil(channels / _SIDE), row_bytes / _BYTES
    if mve.is_pointwise(window):
        pixels, most = height * width, mve.POINTWISE_PIXELS
        calls, tiles = math.ceil(pixels / most), math.ceil(pixels / 2) * groups
        laid: Mapping[str, float] = {"copied": pixels * window.input[2] / _BYTES}
    else:
        calls, tiles = height, height * math.ceil(width / 2) * groups
        laid = _laid(operation)
    turns = {"row": calls, "group": calls * groups, "tile": tiles, "block": tiles * steps}
    return {"call": 1, **turns, **laid}


def _laid(operation: Convolution) -> Mapping[str, float]:
    window = operation.window
    height, width, _ = window.output
    (kernel_height, kernel_width), stride = window.kernel, window.stride[1]
    is_shared = window.dilation[1] == 1 and stride < kernel_width
    runs = height * kernel_height * (1 if is_shared or kernel_width == 1 else width)
    columns = (width - 1) * (stride if is_shared else kernel_width) + kernel_width
    pixels, bytes_ = height * kernel_height * columns, window.input[2]
    if bytes_ <= _BYTES:
        return {"run": runs, "short": pixels}
    return {"run": runs, "long": pixels, "long_16": pixels * math.ceil(bytes_ / _BYTES)}


def _sparse(operation: Convolution, weights: int, row_bytes: int) -> Mapping[str, float]:
    window = operation.window
    pixels = math.prod(window.output[:2])
    eights = math.ceil(pixels / mve.SPARSE_PIXELS)
    turns = {
        "call": 1,
        "eight": eights,
        "pixel": pixels,
        "put": pixels * row_bytes / _BYTES,
        "channel": eights * window.output[2],
        "block": eights * weights / _BYTES,
    }
    if window.input[2] % _BYTES == 0:
        return {**turns, **_kernel_rows(window)}
    places = pixels * math.prod(window.kernel)
    copied = places * math.ceil(window.input[2] / _BYTES)
    return {**turns, "place": places, "place_16": copied}


def _kernel_rows(window: Window) -> Mapping[str, float]:
    """Rows of the kernel that lie outside of the input, inside with all columns, and with some."""
    height, width, _ = window.output
    kernel_height, kernel_width = window.kernel
    tops = np.arange(height)[:, None] * window.stride[0] - window.pad[0]
    rows = tops + np.arange(kernel_height) * window.dilation[0]
    inside = int(((rows >= 0) & (rows < window.input[0])).sum())
    lefts = np.arange(width) * window.stride[1] - window.pad[1]
    is_whole = (lefts >= 0) & (lefts + kernel_width <= window.input[1]) & (window.dilation[1] == 1)
    whole = int(is_whole.sum())
    part = inside * (width - whole)
    return {
        "outside_row": width * (height * kernel_height - inside),
        "whole_row": inside * whole,
        "part_row": part,
        "part_place": part * kernel_width,
    }


def _depthwise(operation: Convolution) -> Mapping[str, float]:
    window = operation.window
    height, width, channels = window.output
    blocks = math.ceil(window.kernel[0] / _SIDE) * math.ceil(window.kernel[1] / _SIDE)
    is_tiled = (window.kernel, window.stride, window.dilation) == ((3, 3), (1, 1), (1, 1))
    strips = math.ceil(height / 2) if is_tiled else height * math.ceil(window.kernel[0] / _SIDE)
    read = (width - 1) * window.stride[1] + (window.kernel[1] - 1) * window.dilation[1] + 1
    groups = math.ceil(channels / _GROUP)
    turns: dict[str, float] = {
        "call": 1,
        "strip": strips * groups,
        "column": strips * groups * read,
        "part_column": strips * (channels % _GROUP != 0) * read,
    }
    is_free = window.limits == (-128, 127)
    if is_tiled:
        fast = height // 2 if is_free and width > 1 else 0
        slow = math.ceil(height / 2) - fast
        kinds = {"fast_2x2": fast, "slow_2x2": slow}
        outputs = math.ceil(width / 2)
    else:
        is_fast = is_free and width >= _SIDE and blocks == 1
        kinds = {"fast_4x1": height * is_fast, "slow_4x1": height * (not is_fast)}
        outputs = math.ceil(width / _SIDE)
        turns["slow_patch"] = kinds["slow_4x1"] * channels * outputs * blocks
    for name, rows in kinds.items():
        turns[name] = rows * channels
        turns[f"{name}_outputs"] = rows * channels * outputs
    return turns
