"""The small layers whose instructions ``calibrate_costs.py`` counts: each kernel in many shapes."""

from collections.abc import Callable, Iterator

import numpy as np
from cost_nets import Net

Add = Callable[[Net], int]
Shape = tuple[int, ...]

MAPS = [(1, 1), (1, 2), (1, 3), (2, 2), (1, 5), (3, 3), (4, 4), (7, 7), (10, 10), (14, 14)]
DEPTHS = [4, 6, 7, 8, 9, 10, 12, 15, 16, 24, 32, 40, 64, 96, 100, 160, 320, 512]
COLUMNS = [3, 7, 8, 9, 12, 16, 24, 33, 40, 64, 100, 128, 300, 1000, 1001]
SHAPES = [(1, 4, 4, 3), (1, 5, 5, 8), (1, 7, 7, 16), (1, 8, 8, 24), (1, 14, 14, 12)]
SHAPES += [(1, 16, 16, 33), (1, 28, 28, 16), (1, 1, 1, 64), (1, 1, 1, 960), (1, 3, 3, 10)]
SHAPES += [(1, 12, 12, 40), (1, 1, 1, 1), (1, 10, 10, 7)]
AVERAGED = [(2, 2, 8), (3, 3, 16), (4, 4, 64), (5, 5, 7), (7, 7, 32), (7, 7, 100), (8, 8, 16)]
AVERAGED += [(14, 14, 24), (16, 16, 120), (28, 28, 48), (1, 1, 64), (3, 3, 960), (2, 2, 1280)]
AVERAGED += [(12, 12, 3), (56, 56, 32), (6, 6, 24), (4, 4, 40), (10, 10, 17)]
BINARY = {
    "ADD": "AddOptions",
    "MUL": "MulOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
    "PRELU": None,
}
UNARY = (
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC NEG RELU ROUND RSQRT SIN "
    "SQRT SQUARE TANH".split()
)


def convolution(height: int, width: int, kernel: Shape, depth: int, columns: int, step: int) -> Add:
    """A VALID convolution on an input of its own; a depthwise one for ``columns`` 1."""

    def add(net: Net) -> int:
        filters = net.weights(columns, *kernel, depth)
        return net.convolution(net.input(1, height, width, depth), filters, step)

    return add


def dense_layers(rng: np.random.Generator) -> Iterator[Add]:
    """GEMM, IGEMM and depthwise convolutions in NHWC."""
    for height, width in MAPS:
        for _ in range(14):
            depth, columns = int(rng.choice(DEPTHS)), int(rng.choice(COLUMNS))
            yield convolution(height, width, (1, 1), depth, columns, 1)
    windows = [(9, (3, 3), 1), (11, (3, 3), 2), (8, (5, 5), 1), (9, (1, 1), 2), (5, (3, 3), 1)]
    windows += [(3, (3, 3), 1), (13, (7, 7), 2), (2, (2, 2), 2), (16, (4, 4), 4), (8, (1, 7), 1)]
    windows += [(9, (7, 1), 1), (4, (3, 3), 1), (5, (2, 2), 2), (5, (4, 4), 1)]
    for size, kernel, step in windows:
        for _ in range(8):
            depth, columns = int(rng.choice(DEPTHS[:13])), int(rng.choice(COLUMNS[:11]))
            yield convolution(size, size, kernel, depth, columns, step)
    for size, side, step in [(9, 3, 1), (16, 3, 2), (12, 5, 1), (15, 5, 2), (3, 3, 1), (7, 3, 1)]:
        for channels in (3, 4, 5, 8, 10, 12, 16, 24, 33, 40, 72, 96, 144):
            yield convolution(size, size, (side, side), channels, 1, step)
    for kernel in ((1, 3), (3, 1), (2, 2), (1, 4)):
        for channels in (4, 8, 12, 33, 72):
            yield convolution(8, 8, kernel, channels, 1, 1)


def same_shape(name: str, options: str | None, first: Shape, second: Shape, constant: bool) -> Add:
    """An operator on two operands; the second is repeated where its size is 1."""

    def add(net: Net) -> int:
        other = net.constant(net.weights(*second)) if constant else net.input(*second)
        shape = np.broadcast_shapes(first, second)
        return net.op(name, [net.input(*first), other], shape, options)

    return add


def elementwise(_: np.random.Generator) -> Iterator[Add]:
    """Operators on one and two operands, and SOFTMAX."""
    for name, options in BINARY.items():
        for shape in SHAPES:
            channels = (1, 1, shape[3])
            yield same_shape(name, options, shape, channels, constant=True)
            if name != "PRELU":
                yield same_shape(name, options, shape, shape, constant=False)
                yield same_shape(name, options, shape, (1, 1, 1, 1), constant=True)
                yield same_shape(name, options, shape, (*shape[:3], 1), constant=False)
    for name in UNARY:
        for shape in SHAPES:
            yield one_operand(name, shape)
    for shape in [(1, 10), (1, 1000), (1, 1001), (1, 100), (1, 12), (4, 20), (49, 49), (1, 2)]:
        yield one_operand("SOFTMAX", shape)
    yield flattened


def flattened(net: Net) -> int:
    """A dense layer that flattens its input first."""
    x = net.op("RELU", [net.input(1, 2, 2, 8)], (1, 2, 2, 8))
    weights = net.constant(net.weights(16, 32))
    return net.op("FULLY_CONNECTED", [x, weights, -1], (1, 16))


def one_operand(name: str, shape: Shape) -> Add:
    """An operator on one operand."""
    options = {
        "LEAKY_RELU": ("LeakyReluOptions", {"alpha": 0.1}),
        "GELU": ("GeluOptions", {}),
        "SOFTMAX": ("SoftmaxOptions", {"beta": 1.0}),
    }

    def add(net: Net) -> int:
        table, values = options.get(name, (None, {}))
        return net.op(name, [net.input(*shape)], shape, table, **values)

    return add


def reductions(_: np.random.Generator) -> Iterator[Add]:
    """MEAN over maps and over channels, and pooling."""
    for height, width, channels in AVERAGED:
        for axes in ((1, 2), (3,)):
            yield mean((1, height, width, channels), axes)
    for name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        for shape in [
            (8, 8, 3),
            (9, 9, 16),
            (12, 12, 33),
            (16, 16, 64),
            (24, 24, 11),
            (13, 13, 40),
        ]:
            for kernel, step in [(2, 2), (3, 2), (3, 1), (4, 4), (5, 3), (6, 6)]:
                for padding in (0, 1):
                    yield pool(name, (1, *shape), kernel, step, padding)
        for side, channels in [(3, 64), (2, 16), (5, 24), (7, 32), (8, 64)]:
            yield pool(name, (1, side, side, channels), side, 1, 1)


def mean(shape: Shape, axes: Shape) -> Add:
    """A MEAN that keeps its dimensions."""

    def add(net: Net) -> int:
        kept = [1 if i in axes else size for i, size in enumerate(shape)]
        inputs = [net.input(*shape), net.integers(*axes)]
        return net.op("MEAN", inputs, kept, "ReducerOptions", keepDims=True)

    return add


def pool(name: str, shape: Shape, kernel: int, step: int, padding: int) -> Add:
    """A pooling layer; padding 0 is SAME, 1 VALID."""

    def add(net: Net) -> int:
        sides = [(s - kernel) // step + 1 if padding else -(-s // step) for s in shape[1:3]]
        return net.op(
            name,
            [net.input(*shape)],
            (1, *sides, shape[3]),
            "Pool2DOptions",
            padding=padding,
            strideH=step,
            strideW=step,
            filterHeight=kernel,
            filterWidth=kernel,
        )

    return add
