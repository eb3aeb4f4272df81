"""How often the loops of each kernel run, as a function of the layer's shape.

A kernel's instructions are a sum over its loops: times that the loop's body runs, here, times the
instructions of the body, which :mod:`edgeprune.prediction.cost` reads from a table for each core.

Source: the loops of XNNPACK's kernels for aarch64, ``src/f32-*`` and ``src/x32-*``, and how
``src/operators`` splits a layer among them; one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Terms = dict[str, float]
"""Name of a loop to the number of times that its body runs."""

_WIDE, _NARROW = 8, 2  # output channels of one GEMM tile, on every aarch64 core but two


def row_tile(rows: int, tiles: Sequence[int]) -> int:
    """Rows that one call of the GEMM kernel takes.

    Source: XNNPACK ``xnn_get_heuristic_mr_gemm`` in ``src/operator-utils.c``.

    Args:
        rows: Rows of the left matrix; output pixels of a convolution.
        tiles: Numbers of rows for which the core has a kernel, ascending.

    >>> row_tile(1, (1, 4)), row_tile(2, (1, 4)), row_tile(49, (1, 4, 6))
    (1, 4, 6)
    """
    if rows in tiles:
        return rows

    def work(tile: int) -> tuple[int, int]:
        return -(-rows // tile) * (3 * (tile + _WIDE) + tile * _WIDE), -tile

    return min(tiles, key=work)


def is_narrow(columns: int) -> bool:
    """Whether a dense layer runs the kernel for two output channels at a time.

    Source: XNNPACK ``xnn_use_nr2`` in ``src/microkernel-utils.c``.
    """
    spare = -columns % _WIDE
    return columns < _WIDE or (-columns % _NARROW < spare and spare * 100 > columns)


def gemm(
    rows: int, depth: int, columns: int, tile: tuple[int, int], taps: int = 1, groups: int = 1
) -> Terms:
    """A dense layer, or a dense convolution as a GEMM with ``taps`` pointers a pixel.

    Args:
        rows: Rows or output pixels.
        depth: Input channels of a group.
        columns: Output channels of a group.
        tile: Rows and output channels of one step.
        taps: Kernel height times width.
        groups: Groups of channels that are convolved apart.
    """
    calls = groups * -(-rows // tile[0])
    blocks = calls * -(-columns // tile[1])
    return {
        "node": 1,
        "call": calls,
        "block": blocks,
        "tap": blocks * taps,
        "depth_8": blocks * taps * (depth // 8),
        "depth_4": blocks * taps * (depth // 4 % 2),
        "depth_2": blocks * taps * (depth // 2 % 2),
        "depth_1": blocks * taps * (depth % 2),
        "columns_left": calls * (columns % tile[1] != 0),
    }


def dwconv(height: int, width: int, channels: int, stride: int = 1) -> Terms:
    """A depthwise convolution in NHWC, eight channels at a time; sizes are the output's.

    How often loops run does not depend on ``stride``; lines do.
    """
    pixels = height * width
    return {
        "node": 1,
        "row": height,
        "pixel": pixels,
        "channels_8": pixels * (channels // 8),
        "channels_4": pixels * (channels // 4 % 2),
        "channels_left": pixels * (channels % 4 != 0),
    }


def dwconv_chw(height: int, width: int, channels: int, rows: int) -> Terms:
    """A depthwise convolution in NCHW: ``rows`` output rows and four columns at a time."""
    passes = channels * -(-height // rows)
    return {
        "node": 1,
        "channel": channels,
        "pass": passes,
        "columns_4": passes * (-(-width // 4) - 1),
    }


def hwc2chw(height: int, width: int, channels: int) -> Terms:
    """The 3x3 stride-2 convolution that begins a cluster; sizes are the output's."""
    passes = -(-height // 2) * -(-channels // 4)
    return {
        "node": 1,
        "row": height,
        "pass": passes,
        "columns_2": passes * (width // 2),
        "columns_1": passes * (width % 2),
    }


def spmm(pixels: int, out_blocks: int, nonzero_blocks: int, depth: int) -> Terms:
    """A sparse pointwise layer: tiles of 32 pixels, then of each power of two that is left.

    How often loops run does not depend on ``depth``, the input channels; lines do.
    """
    terms: Terms = {"node": 1}
    for size in (32, 16, 8, 4, 2, 1):
        tiles = pixels // 32 if size == 32 else pixels // size % 2
        terms[f"tile_{size}"] = tiles * out_blocks
        terms[f"nonzero_{size}"] = tiles * nonzero_blocks
    return terms


def rows(calls: int, length: int) -> Terms:
    """A kernel that is called for each of ``calls`` runs of ``length`` adjacent elements."""
    return {
        "node": 1,
        "call": calls,
        "elements_8": calls * (length // 8),
        "elements_4": calls * (length // 4 % 2),
        "elements_left": calls * (length % 4 != 0),
    }


def sum_columns(count: int, channels: int) -> Terms:
    """A sum over ``count`` rows of ``channels`` adjacent elements, seven rows at a time."""
    groups = -(-count // 7)
    return {
        "node": 1,
        "channels_16": channels // 16,
        "group": groups,
        "adds_16": groups * (channels // 16),
        "adds_4": groups * (channels % 16 // 4),
        "adds_left": groups * (channels % 4 != 0),
    }


def pooling(height: int, width: int, channels: int, taps: int) -> Terms:
    """A pooling layer in NHWC, nine taps and four channels at a time; sizes are the output's."""
    pixels = height * width
    passes = -(-taps // 9)
    return {
        "node": 1,
        "row": height,
        "pixel": pixels,
        "pass": pixels * passes,
        "channels_4": pixels * passes * (channels // 4),
        "channels_left": pixels * passes * (channels % 4 != 0),
        "more_passes_4": pixels * (passes - 1) * -(-channels // 4),
    }


def pad(rows: int, elements: int, kept: int) -> Terms:
    """A PAD of ``rows`` runs of channels, ``elements`` in all, of which ``kept`` are copied."""
    return {"node": 1, "row": rows, "copied_8": kept // 8, "filled_8": (elements - kept) // 8}


def transpose(calls: int, height: int, width: int) -> Terms:
    """Matrices that are transposed in tiles of 4 x 4."""
    tiles = -(-height // 4) * -(-width // 4)
    return {"node": 1, "call": calls, "row": calls * -(-height // 4), "tile": calls * tiles}


def resize(height: int, width: int, channels: int) -> Terms:
    """A bilinear resize in NHWC; sizes are the output's."""
    pixels = height * width
    return {
        "node": 1,
        "pixel": pixels,
        "channels_4": pixels * (channels // 4),
        "channels_left": pixels * (channels % 4 != 0),
    }


def resize_chw(height: int, width: int, channels: int) -> Terms:
    """A bilinear resize in NCHW, four pixels at a time; sizes are the output's."""
    return {"node": 1, "channel": channels, "pixels_4": channels * -(-height * width // 4)}


def int8_gemm(
    rows: int, quads: int, columns: int, tile: tuple[int, int], taps: int = 1, groups: int = 1
) -> Terms:
    """The same for integers; ``quads`` are groups of four input channels."""
    calls = groups * -(-rows // tile[0])
    blocks = calls * -(-columns // tile[1])
    return {
        "node": 1,
        "call": calls,
        "block": blocks,
        "tap": blocks * taps,
        "depth_8": blocks * taps * (quads // 2),
        "depth_4": blocks * taps * (quads % 2),
        "columns_left": calls * (columns % tile[1] != 0),
    }


def int8_dwconv(height: int, width: int, channels: int, stride: int = 1) -> Terms:
    """The same for integers, sixteen channels at a time; sizes are the output's."""
    pixels = height * width
    return {
        "node": 1,
        "row": height,
        "pixel": pixels,
        "channels_16": pixels * (channels // 16),
        "channels_8": pixels * (channels // 8 % 2),
        "channels_left": pixels * (channels % 8 != 0),
    }


def moving(written: int, read: int, rows: int) -> Terms:
    """Any other operator on integers, by the elements that it writes and reads, in rows."""
    return {"node": 1, "written": written, "read": read, "row": rows}


TERMS: dict[str, Callable[..., Terms]] = {
    "gemm": gemm,
    "igemm": gemm,
    "dwconv": dwconv,
    "dwconv_chw": dwconv_chw,
    "hwc2chw": hwc2chw,
    "spmm": spmm,
    "binary": rows,
    "unary": rows,
    "softmax": rows,
    "copy": rows,
    "builtin": rows,
    "mean_rows": rows,
    "pad": pad,
    "mean_columns": sum_columns,
    "pooling": pooling,
    "transpose": transpose,
    "resize": resize,
    "resize_chw": resize_chw,
    "int8_gemm": int8_gemm,
    "int8_igemm": int8_gemm,
    "int8_dwconv": int8_dwconv,
    "int8": moving,
}
"""First part of a kernel's name, up to the dot, to the terms of its arguments."""
