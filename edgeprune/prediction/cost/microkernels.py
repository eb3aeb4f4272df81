"""The kernels that XNNPACK runs, and which of them it picks for a shape.

Source: XNNPACK ``src/configs`` and ``src/operators``, aarch64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from edgeprune.prediction.cost.terms import is_narrow, row_tile
from edgeprune.prediction.xnnpack.spmm import SpmmPlan

Shape = tuple[int, ...]

DWCONV_TAPS = (3, 4, 9, 25)
"""Taps of the depthwise kernels in NHWC; fewer are filled up, more run as a dense convolution."""

CHW_ROWS = {(3, 1): 3, (3, 2): 2, (5, 1): 4, (5, 2): 1}
"""Kernel size and stride to the output rows of one pass of the depthwise kernel in NCHW."""

_NARROW = (4, 2)  # rows and output channels of a step of the GEMM kernel for few channels
_WIDE = 8  # output channels of a step of the usual one
_CLAMPS = frozenset(("RELU", "RELU6", "RELU_N1_TO_1"))


class Call(NamedTuple):
    """One kernel of the runtime, by our name, with the arguments of its function in ``terms``."""

    kernel: str
    arguments: tuple[object, ...]


def unary(name: str, elements: int) -> Call:
    """An elementwise kernel on one operand."""
    return Call("unary.CLAMP" if name in _CLAMPS else f"unary.{name}", (1, elements))


def gemm(
    rows: int, depth: int, columns: int, row_tiles: Sequence[int], taps: int = 0, groups: int = 1
) -> Call:
    """A dense layer, or with ``taps`` a convolution; sizes as in :func:`terms.gemm`."""
    narrow = columns < _WIDE if taps else is_narrow(columns)
    tile = _NARROW if narrow else (row_tile(rows, row_tiles), _WIDE)
    family = "igemm" if taps else "gemm"
    return Call(f"{family}.{tile[0]}x{tile[1]}", (rows, depth, columns, tile, max(taps, 1), groups))


def spmm(pixels: int, plan: SpmmPlan) -> Call:
    """A sparse pointwise layer."""
    return Call(f"spmm.{plan.block}", (pixels, plan.output_blocks, plan.nonzero_blocks, plan.depth))


def depthwise(height: int, width: int, channels: int, taps: int, stride: int) -> Call:
    """A depthwise convolution in NHWC of at most 25 taps; sizes are the output's."""
    kernel = next(size for size in DWCONV_TAPS if size >= taps)
    return Call(f"dwconv.{kernel}", (height, width, channels, stride))


def depthwise_chw(height: int, width: int, channels: int, kernel: int, stride: int) -> Call:
    """A depthwise convolution in NCHW; sizes are the output's."""
    rows = CHW_ROWS[kernel, stride]
    return Call(f"dwconv_chw.{kernel}x{kernel}s{stride}", (height, width, channels, rows))


def binary(name: str, first: Shape, second: Shape) -> Call:
    """An elementwise kernel on two operands, one of which may be repeated along some dimensions.

    Runs of dimensions in which the same operand is repeated are taken as one.
    """
    rank = max(len(first), len(second))
    pairs = zip(
        (1,) * (rank - len(first)) + first, (1,) * (rank - len(second)) + second, strict=True
    )
    runs: list[tuple[int, int]] = []  # which operand is repeated (0 none), and the length
    for a, b in reversed([pair for pair in pairs if pair != (1, 1)]):
        repeated = (a != b) * (1 if a == 1 else 2)
        if runs and runs[-1][0] == repeated:
            runs[-1] = (repeated, runs[-1][1] * max(a, b))
        else:
            runs.append((repeated, max(a, b)))
    length = runs[0][1] if runs else 1
    kind = {"SQUARED_DIFFERENCE": "square", "PRELU": "prelu"}.get(name, "plain")
    ending = "_scalar" if runs and runs[0][0] else ""
    return Call(f"binary.{kind}{ending}", (math.prod(size for _, size in runs[1:]), length))
