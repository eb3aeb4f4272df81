"""Which lines each kernel touches, and how much it touches between two touches of a line.

A family's function takes the kernel's variant (what follows the dot of its name), the arguments of
its function in :mod:`.terms`, and the core's data caches, by which XNNPACK cuts matrix products.

Source: the loops of XNNPACK's kernels for aarch64, as in ``terms``; their order in
``src/operator-run.c``, where columns are outside of rows, and ``src/microkernel-utils.c``.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from edgeprune.artifacts.core_work import Cache

LINE = 64
"""Bytes of a line."""

_FLOAT, _POINTER = 4, 8
_KEPT = math.inf

_AGES = (0.25, 0.75, 1.25, 1.75)
"""How much lies between writing and reading a map, in shares of what does on average: its order
differs from layer to layer. Source: ours."""


class Runs(NamedTuple):
    """Runs of lines that begin at every so many lines; a few of them are touched, anywhere.

    Attributes:
        bytes: Of all that are touched.
        lines: Of a run.
        stride: Lines from one run's beginning to the next one's; where they are many and a power
            of two, all runs fall on a few sets of a cache.
    """

    bytes: float
    lines: float
    stride: float


class Touch(NamedTuple):
    """Lines that are touched.

    Attributes:
        lines: How many, each as often as it is touched.
        bytes_between: Of all that is touched since it was touched last; infinite where that was in
            the inference before.
        streamed: Share of them beside a line that was touched shortly before.
        runs: Part of what is touched in between that lies in runs with a gap between them; None
            where all arrays lie in one piece.
    """

    lines: float
    bytes_between: float
    streamed: float = 1.0
    runs: Runs | None = None


Touches = list[Touch]


class _Map(NamedTuple):
    """What a layer reads and writes once, in bytes."""

    read: float
    written: float
    weights: float = 0.0

    def first(self, *, read: float = 1.0, written: float = 1.0) -> Touches:
        """The first touches; ``read`` and ``written`` are the shares of streamed lines.

        The layer before wrote what is read, part of it just now and part of it long ago; the
        outputs' memory was another map's, and weights are those of the inference before.
        """
        since = self.read + self.written / 2
        return [
            *(Touch(self.read / LINE / len(_AGES), age * since, read) for age in _AGES),
            Touch(self.written / LINE, self.read + self.written + self.weights, written),
            Touch(self.weights / LINE, _KEPT),
        ]


def _streamed(run_bytes: float) -> float:
    """Share of streamed lines where runs of so many bytes are gone over: all but each first."""
    return 1 - min(1.0, LINE / run_bytes)


def _columns_at_once(
    rows: int,
    columns: int,
    tile: tuple[int, int],
    sizes: tuple[int, int, int],
    caches: Sequence[Cache],
) -> int:
    """Output channels of a matrix product for which all rows are computed before the next ones.

    As many as fit the first level of cache beside a tile of rows, or the second where not even one
    tile of columns fits.

    Args:
        rows: Of the left matrix.
        columns: Of the right one.
        tile: Rows and columns of one step of the kernel.
        sizes: Bytes of a row, of a column with its bias, and of an output.
        caches: The core's levels.

    Source: XNNPACK ``xnn_gemm_best_tile_size`` for one thread.
    """
    step_rows, step = min(tile[0], rows), min(tile[1], columns)
    row, column, output = sizes

    def fits(steps: int, room: int) -> bool:
        count = steps * step
        lines = -(-step_rows * row // LINE) + -(-count * column // LINE)
        return LINE * (lines + step_rows * -(-count * output // LINE)) <= room

    most = -(-columns // step)
    room = next((level.bytes for level in caches[:2] if fits(1, level.bytes)), 0)
    if room and step_rows < rows:
        most = bisect_left(range(1, most + 1), True, key=lambda steps: not fits(steps, room))
    passes = -(-columns // (most * step))
    return min(columns, -(-columns // (passes * step)) * step)


class _Matrix(NamedTuple):
    """A dense layer or convolution, as :func:`terms.gemm` has it."""

    rows: int
    depth: int
    columns: int
    tile: tuple[int, int]
    taps: int = 1
    groups: int = 1


def _product(matrix: _Matrix, size: int, caches: Sequence[Cache]) -> Touches:
    """A matrix product of elements of ``size`` bytes."""
    rows, depth, columns, tile, taps, groups = matrix
    row, column = depth * taps * size, depth * taps * size + _FLOAT
    at_once = _columns_at_once(rows, columns, tile, (row, column, size), caches)
    passes, steps = -(-columns // at_once), -(-columns // tile[1])
    tile_rows = min(tile[0], rows)
    row_tiles = -(-rows // tile_rows)
    maps = _Map(rows * depth * size, rows * columns * size, column * columns)
    pointers = rows * taps * _POINTER if taps > 1 else 0
    written = rows * (at_once * size + (LINE - 1) * (at_once * size % LINE != 0))
    a_pass = maps.read + at_once * column + written + pointers
    tile_bytes = tile_rows * row
    read_streamed = 1.0
    if depth * size > 2 * LINE:  # else prefetchers see one row's line beside that of another one
        read_streamed -= (1 - _streamed(depth * size)) * (tile_rows - 1) / tile_rows
    out_streamed = 1.0 if columns * size <= LINE else _streamed(at_once * size)
    beside = at_once * column + tile_bytes + tile_rows * max(at_once * size, LINE)
    touches = [
        *maps.first(read=read_streamed, written=out_streamed),
        Touch(maps.weights / LINE * (row_tiles - 1), beside),
        Touch(maps.read / LINE * (passes - 1), a_pass, read_streamed),
        Touch(row_tiles * (steps - passes) * tile_bytes / LINE, tile_bytes + column * tile[1]),
        Touch(max(0.0, written * passes - maps.written) / LINE, a_pass, out_streamed),
        Touch(pointers / LINE, _KEPT),
        Touch(pointers / LINE * (passes - 1), a_pass),
    ]
    return [touch._replace(lines=touch.lines * groups) for touch in touches]


def _spmm(variant: str, arguments: Sequence[Any], caches: Sequence[Cache]) -> Touches:
    """A sparse pointwise layer; for each tile of pixels weights run past a few input channels."""
    pixels, out_blocks, nonzero_blocks, depth = arguments
    block = int(variant)
    weights = nonzero_blocks * _FLOAT * (block + 1) + out_blocks * (2 * _FLOAT + _FLOAT * block)
    density = min(1.0, nonzero_blocks / max(1, out_blocks * depth))
    used = depth * (1 - (1 - density) ** out_blocks)
    outputs = out_blocks * block
    maps = _Map(pixels * used * _FLOAT, pixels * outputs * _FLOAT, weights)
    row = pixels * _FLOAT / LINE  # lines of a channel
    is_aligned = row.is_integer()
    touches: Touches = []
    passes, read, written = 0, 0.0, 0.0
    for tile in (32, 16, 8, 4, 2, 1):
        tiles = pixels // 32 if tile == 32 else pixels // tile % 2
        run = _lines_of(tile * _FLOAT, is_aligned)
        passes += tiles
        read += tiles * used * min(run, row)
        written += tiles * outputs * min(run, row)
        again = tiles * max(0.0, nonzero_blocks - used) * run
        streamed = _streamed_run(run, is_aligned)
        beside = nonzero_blocks / max(1, out_blocks) * _FLOAT * (block + 1)
        beside += _FLOAT * (block + 2) + block * min(run, row) * LINE
        together = max(1.0, 1 / row)  # channels that share a line
        returns = _returns(1 - (1 - density) ** together, out_blocks) if again else ()
        for share, blocks, touched in returns:
            channels = depth * min(run, row) * LINE * touched
            runs = Runs(channels, run, row) if row > 1 else None
            touches.append(Touch(again * share, channels + blocks * beside, streamed, runs))
    run = _lines_of(min(32, pixels) * _FLOAT, is_aligned)
    streamed = _streamed_run(run, is_aligned) if row > 1 else 1.0
    between = weights + (used + outputs) * min(run, row) * LINE
    return [
        *touches,
        *maps.first(read=streamed, written=streamed),
        Touch(weights / LINE * (passes - 1), between),
        Touch(max(0.0, read - maps.read / LINE), between, 0.0),
        Touch(max(0.0, written - maps.written / LINE), between, 0.0),
    ]


def _lines_of(run_bytes: int, is_aligned: bool) -> float:
    """Lines that a run of adjacent elements touches, on average over where it may begin."""
    if is_aligned:
        return max(1.0, run_bytes / LINE)
    return (run_bytes + LINE - _FLOAT) / LINE


def _streamed_run(lines: float, is_aligned: bool) -> float:
    """Share of streamed lines in such runs: all but the first, and some that lie before it.

    Source: ours, what the simulation of ``device_agents/qemu/data_caches.c`` counts.
    """
    return max(0.0, 1 - (1.0 if is_aligned else 1.29) / lines)


def _returns(chance: float, out_blocks: int) -> Iterator[tuple[float, float, float]]:
    """When a line of the inputs comes again that comes with every block of outputs by chance.

    It comes again after n of them with chance * (1 - chance) ** (n - 1).

    Yields:
        The share of returns, after how many blocks, and the share of all lines that came meanwhile.
    """
    last = min(out_blocks, max(1, int(6 / max(chance, 1e-6))))
    step = max(1, last // 24)
    whole = 1 - (1 - chance) ** last if chance < 1 else 1.0
    for first in range(1, last + 1, step):
        end = min(last, first + step - 1)
        share = ((1 - chance) ** (first - 1) - (1 - chance) ** end) / whole
        blocks = (first + end) / 2
        yield share, blocks, 1 - (1 - chance) ** blocks


def _dwconv(
    size: int, taps: int, height: int, width: int, channels: int, stride: int = 1
) -> Touches:
    """A depthwise convolution in NHWC: all channels of a pixel, pixel by pixel, row by row."""
    side = math.isqrt(taps)
    rows, across = (side, side) if side * side == taps else (1, taps)
    pixels, pixel = height * width, channels * size
    maps = _Map(pixels * stride**2 * pixel, pixels * pixel, taps * pixel + _FLOAT * channels)
    a_pixel = taps * pixel + maps.weights + pixel
    a_row = (rows * stride + 1) * width * pixel
    below = maps.read / LINE * max(0.0, rows / stride - 1)
    beside = max(0.0, pixels * taps * pixel / LINE - maps.read / LINE - below)
    pointers = height * rows * (across + (width - 1) * min(stride, across)) * _POINTER
    streamed = 1.0 if stride == 1 else 1 - min(1.0, LINE / (2 * pixel))
    return [
        *maps.first(read=streamed),
        Touch(maps.weights / LINE * (pixels - 1), a_pixel),
        Touch(below, a_row),
        Touch(beside, a_pixel),
        Touch(pointers / LINE, _KEPT),
    ]


def _dwconv_chw(variant: str, arguments: Sequence[Any], caches: Sequence[Cache]) -> Touches:
    """A depthwise convolution in NCHW: a channel after the other, a few rows at a time."""
    height, width, channels, rows = arguments
    side, stride = int(variant[0]), int(variant[-1])
    pixels, row = height * width, width * stride * _FLOAT
    weights = (side * side + 1) * channels * _FLOAT
    maps = _Map(pixels * stride**2 * channels * _FLOAT, pixels * channels * _FLOAT, weights)
    again = maps.read / LINE * max(0.0, (side - stride) / (rows * stride))
    # Of some rows side by side, those that do not go on where another one ended.
    streamed = 0.96
    if width * _FLOAT > LINE:
        streamed = 1 - min(0.2, 0.65 * LINE / (width * _FLOAT))
    first = maps.first(read=streamed, written=streamed)
    return [*first, Touch(again, (side + rows * stride) * row)]


def _passed(read: float, written: float, streamed: float = 1.0) -> Touches:
    """What goes over its operands and its result once, in bytes."""
    return _Map(read, written).first(read=streamed)


def _rows(variant: str, arguments: Sequence[Any], caches: Sequence[Cache]) -> Touches:
    calls, length = arguments
    operands = 2 if variant in ("plain", "square") else 1
    return _passed(operands * calls * length * _FLOAT, calls * length * _FLOAT)


def _pooling(variant: str, arguments: Sequence[Any], caches: Sequence[Cache]) -> Touches:
    height, width, channels, taps = arguments
    written = height * width * channels * _FLOAT
    return _passed(written * min(taps, 4), written)  # windows of two by two, as a rule


def _by_elements(
    read: Callable[..., float], written: Callable[..., float], size: int, streamed: float = 1.0
) -> Callable[[str, Sequence[Any], Sequence[Cache]], Touches]:
    """A family that goes over so many elements once."""

    def rule(variant: str, arguments: Sequence[Any], caches: Sequence[Cache]) -> Touches:
        return _passed(read(*arguments) * size, written(*arguments) * size, streamed)

    return rule


def _volume(height: int, width: int, channels: int) -> int:
    return height * width * channels


TOUCHES: dict[str, Callable[[str, Sequence[Any], Sequence[Cache]], Touches]] = {
    **dict.fromkeys(("gemm", "igemm"), lambda _, a, caches: _product(_Matrix(*a), _FLOAT, caches)),
    **dict.fromkeys(
        ("int8_gemm", "int8_igemm"),
        lambda _, a, caches: _product(_Matrix(a[0], 4 * a[1], *a[2:]), 1, caches),
    ),
    "spmm": _spmm,
    "dwconv": lambda variant, a, _: _dwconv(_FLOAT, int(variant), *a),
    "int8_dwconv": lambda variant, a, _: _dwconv(1, int(variant), *a),
    "dwconv_chw": _dwconv_chw,
    "hwc2chw": _by_elements(lambda h, w, _: 12 * h * w, _volume, _FLOAT),
    **dict.fromkeys(("binary", "unary", "softmax", "copy", "builtin"), _rows),
    # Seven rows side by side, whose first lines no prefetcher sees.
    "mean_columns": _by_elements(lambda n, c: n * c, lambda _, c: c, _FLOAT, streamed=0.5),
    "mean_rows": _by_elements(lambda n, c: n * c, lambda n, _: n, _FLOAT),
    "pad": _by_elements(lambda _, __, kept: kept, lambda _, elements, __: elements, _FLOAT),
    "pooling": _pooling,
    "transpose": _by_elements(_volume, _volume, _FLOAT),
    **dict.fromkeys(
        ("resize", "resize_chw"), _by_elements(lambda h, w, c: h * w * c / 4, _volume, _FLOAT)
    ),
    "int8": _by_elements(lambda _, read, __: read, lambda written, *_: written, 1),
}
"""First part of a kernel's name, up to the dot, to its touches."""
