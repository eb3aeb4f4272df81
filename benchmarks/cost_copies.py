"""More small layers for ``calibrate_costs.py``: what only moves data, and whole sparse clusters."""

from collections.abc import Callable, Iterator

import numpy as np
from cost_nets import Net

Add = Callable[[Net], int]
Shape = tuple[int, ...]

BLOCKS = [(1, 1, 16), (2, 2, 3), (4, 4, 8), (7, 7, 16), (8, 8, 3), (8, 8, 32), (14, 14, 12)]
BLOCKS += [(16, 16, 3), (25, 5, 69), (5, 3, 7), (28, 28, 4), (9, 8, 36), (32, 32, 8)]
SHAPES = [(1, 4, 4, 8), (1, 8, 8, 3), (1, 16, 16, 33), (1, 14, 14, 64), (1, 32, 32, 3)]
SHAPES += [(1, 7, 7, 200), (1, 9, 9, 5), (1, 24, 24, 12), (1, 10, 10, 100)]
CLUSTERS = [(5, 5), (7, 9), (8, 8), (13, 13), (14, 14), (16, 16), (17, 15), (24, 24), (28, 28)]
CLUSTERS += [(32, 32), (49, 10), (40, 20), (30, 30), (56, 56), (64, 64), (20, 33), (26, 26)]
CLUSTERS += [(12, 12), (96, 96), (11, 22), (36, 6)]


def copies(_: np.random.Generator) -> Iterator[Add]:
    """Layers that move elements in NHWC."""
    for height, width, channels in BLOCKS:
        yield blocks("DEPTH_TO_SPACE", (1, height, width, 4 * channels))
        yield blocks("SPACE_TO_DEPTH", (1, 2 * height, 2 * width, channels))
    for shape in SHAPES:
        for order in ((0, 3, 1, 2), (0, 2, 3, 1), (0, 2, 1, 3)):
            yield transpose(shape, order)
        for kept in (3, shape[3] // 2, shape[3] - 1):
            yield part(shape, (*shape[:3], kept))
        yield part(shape, (1, shape[1] - 1, shape[2] - 1, shape[3]))
        for side in ((1, 1), (0, 1), (3, 3)):
            yield pad(shape, (0, 0), side, side, (0, 0))
        yield pad(shape, (0, 0), (0, 0), (0, 0), (0, 4))
        yield concatenation(shape, 2)
        yield concatenation(shape, 5)
    for shape in [(1, 4, 4, 8), (1, 4, 4, 3), (1, 7, 7, 16), (1, 8, 8, 33), (1, 16, 16, 4)]:
        for factor in (2, 3):
            yield resize(shape, factor)


def blocks(name: str, shape: Shape) -> Add:
    """DEPTH_TO_SPACE or SPACE_TO_DEPTH by blocks of 2."""
    _, height, width, depth = shape

    def add(net: Net) -> int:
        after = (1, 2 * height, 2 * width, depth // 4)
        if name == "SPACE_TO_DEPTH":
            after = (1, height // 2, width // 2, 4 * depth)
        return net.op(name, [net.input(*shape)], after, blockSize=2)

    return add


def transpose(shape: Shape, order: Shape) -> Add:
    """A TRANSPOSE."""

    def add(net: Net) -> int:
        after = [shape[i] for i in order]
        return net.op("TRANSPOSE", [net.input(*shape), net.integers(*order)], after)

    return add


def part(shape: Shape, size: Shape) -> Add:
    """A SLICE of the last elements in each dimension."""

    def add(net: Net) -> int:
        begin = [whole - kept for whole, kept in zip(shape, size, strict=True)]
        return net.op("SLICE", [net.input(*shape), net.integers(*begin), net.integers(*size)], size)

    return add


def pad(shape: Shape, *sides: tuple[int, int]) -> Add:
    """A PAD that nothing absorbs."""
    return lambda net: net.pad(net.input(*shape), *sides)


def concatenation(shape: Shape, count: int) -> Add:
    """A CONCATENATION of channels."""

    def add(net: Net) -> int:
        inputs = [net.input(*shape) for _ in range(count)]
        after = (*shape[:3], count * shape[3])
        return net.op("CONCATENATION", inputs, after, "ConcatenationOptions", axis=3)

    return add


def resize(shape: Shape, factor: int) -> Add:
    """A RESIZE_BILINEAR."""

    def add(net: Net) -> int:
        x = net.input(*shape)
        return _resized(net, x, factor)

    return add


def _resized(net: Net, x: int, factor: int) -> int:
    _, height, width, channels = net.shape(x)
    after = (1, factor * height, factor * width, channels)
    inputs = [x, net.integers(*after[1:3])]
    return net.op("RESIZE_BILINEAR", inputs, after, "ResizeBilinearOptions", halfPixelCenters=True)


def cluster(net: Net, height: int, width: int) -> int:
    """Every kernel of a sparse cluster in random sizes, from an input to an exit."""
    rng = net.rng

    def pointwise(x: int, block: int) -> int:
        channels = int(rng.choice([8, 16, 24, 32, 36, 64, 96, 128]))
        return net.pointwise(x, channels, float(rng.uniform(0.04, 0.3)), block)

    x = net.stem(height, width, int(rng.choice([4, 8, 12, 16, 20, 24, 32, 36])))
    for block in (1, 2, 4):
        x = pointwise(x, block)
    x = pointwise(net.depthwise_same(x, int(rng.choice([3, 5])), 1), 1)
    x = y = pointwise(x, 2)
    x = net.depthwise_same(y, 3, 1)
    x = net.op("ADD", [x, y], net.shape(x))
    if min(net.shape(x)[1:3]) > 1 and rng.random() < 0.3:
        x = _resized(net, x, 2)
    x = pointwise(x, 4)
    if min(net.shape(x)[1:3]) > 3:
        x = net.depthwise_same(x, int(rng.choice([3, 5])), 2)
    for block in (1, 2, 4):
        x = pointwise(x, block)
    _, height, width, channels = net.shape(x)
    if rng.random() < 0.5:
        axes = net.integers(1, 2)
        return net.op("MEAN", [x, axes], (1, 1, 1, channels), "ReducerOptions", keepDims=True)
    x = net.pointwise(x, 4 * int(rng.integers(2, 33)), 0.1, 1)
    after = (1, 2 * height, 2 * width, net.shape(x)[3] // 4)
    return net.op("DEPTH_TO_SPACE", [x], after, blockSize=2)
