"""The small int8 layers whose instructions ``calibrate_costs.py`` counts, on cores with SDOT."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from cost_layers import Add, Shape, convolution, one_operand, pool
from cost_nets import Net
from node_instructions import inference_instructions, node_instructions

from edgeprune.errors import DeviceError
from edgeprune.prediction.cost.integers import integer_call
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.quantize import quantize

CORES = ("cortex-a76",)
"""Those with dot-product instructions, whose kernels these are."""

LAYERS = 25  # of one net
DEPTHS = (1, 2, 3, 4, 5, 6, 8, 11, 12, 16, 24, 32, 48, 64, 96, 128, 256)
COLUMNS = (3, 4, 8, 10, 12, 16, 17, 24, 32, 48, 64, 96, 128, 200)
SHAPES: tuple[Shape, ...] = (
    (1, 4, 4, 3), (1, 7, 7, 16), (1, 8, 8, 24), (1, 16, 16, 32), (1, 1, 1, 64), (1, 10, 10, 7),
)  # fmt: skip
UNARY = (
    "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "SOFTMAX", "TANH",
)  # fmt: skip

Counts = dict[str, list[tuple[tuple[object, ...], float]]]


def convolutions() -> Iterator[Add]:
    """Matrix products, with one pointer a pixel and with several, and depthwise convolutions."""
    rng = np.random.default_rng(1)
    for side in (1, 1, 2, 3, 4, 5, 7, 8, 11, 14):
        for _ in range(7):
            depth, columns = int(rng.choice(DEPTHS)), int(rng.choice(COLUMNS))
            yield convolution(side, side, (1, 1), depth, columns, 1)
    windows = [(9, (3, 3), 1), (11, (3, 3), 2), (8, (5, 5), 1), (6, (3, 3), 1), (10, (1, 5), 1)]
    windows += [(12, (4, 4), 2), (5, (3, 3), 1), (9, (1, 1), 2), (14, (3, 3), 1), (3, (3, 3), 1)]
    for size, kernel, step in windows:
        for _ in range(7):
            depth, columns = int(rng.choice(DEPTHS)), int(rng.choice(COLUMNS))
            yield convolution(size, size, kernel, depth, columns, step)
    windows = [(9, (3, 3), 1), (16, (3, 3), 2), (12, (5, 5), 1), (15, (5, 5), 2), (3, (3, 3), 1)]
    for size, kernel, step in [*windows, (8, (1, 3), 1), (6, (3, 3), 1), (8, (1, 2), 1)]:
        for channels in (4, 8, 10, 16, 24, 33, 48, 64, 120):
            yield convolution(size, size, kernel, channels, 1, step)


def binary(name: str, first: Shape, second: Shape) -> Add:
    """A sum or a product of two inputs."""

    def add(net: Net) -> int:
        options = {"ADD": "AddOptions", "MUL": "MulOptions"}[name]
        return net.op(name, [net.input(*first), net.input(*second)], first, options)

    return add


def mean(shape: Shape) -> Add:
    """A mean over height and width."""

    def add(net: Net) -> int:
        inputs = [net.input(*shape), net.integers(1, 2)]
        return net.op("MEAN", inputs, (1, 1, 1, shape[3]), "ReducerOptions", keepDims=True)

    return add


def joined(shape: Shape, count: int) -> Add:
    """A concatenation of channels."""

    def add(net: Net) -> int:
        inputs = [net.input(*shape) for _ in range(count)]
        out = (*shape[:3], shape[3] * count)
        return net.op("CONCATENATION", inputs, out, "ConcatenationOptions", axis=3)

    return add


def padded(shape: Shape) -> Add:
    """A PAD of one pixel on each side."""

    def add(net: Net) -> int:
        return net.pad(net.input(*shape), (0, 0), (1, 1), (1, 1), (0, 0))

    return add


def others() -> Iterator[Add]:
    """All other operators, each in a net of its own: some are the interpreter's."""
    for shape in SHAPES:
        yield from (one_operand(name, shape) for name in UNARY)
        yield binary("ADD", shape, shape)
        yield binary("MUL", shape, shape)
        yield binary("MUL", shape, (1, 1, 1, shape[3]))
        yield mean(shape)
        yield joined(shape, 2)
        yield padded(shape)
        if shape[1] > 1:
            for name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
                yield pool(name, shape, 2, 2, 1)
            yield pool("AVERAGE_POOL_2D", shape, shape[1], 1, 1)


def integer_nets() -> Iterator[bytes]:
    """The same layers as files of many each."""
    layers = [*convolutions(), *others()]
    for start in range(0, len(layers), LAYERS):
        net = Net(start)
        for add in layers[start : start + LAYERS]:
            net.end(add(net))
        yield _integers(net)


def integer_layers() -> Iterator[tuple[bytes, list[Call]]]:
    """Files of many layers that multiply, and the kernels that each should run."""
    layers = list(convolutions())
    for start in range(0, len(layers), LAYERS):
        net = Net(start)
        for add in layers[start : start + LAYERS]:
            net.end(add(net))
        yield _integers(net), _calls(net)


def of_integers(core: str, inference: float, border: float) -> Counts:
    """Instructions of int8 kernels, by kernel."""
    counts: Counts = defaultdict(list)
    for file, calls in integer_layers():
        nodes = node_instructions(file, core)
        if len(calls) != len(nodes):
            raise SystemExit(f"{len(calls)} kernels expected, ran {[tag for tag, _ in nodes]}")
        for call, (_, instructions) in zip(calls, nodes, strict=True):
            counts[call.kernel].append((call.arguments, instructions))
    for add in others():
        net = Net(0)
        net.end(add(net))
        (call,) = _calls(net)
        file = _integers(net)
        try:
            spent: float = sum(count for _, count in node_instructions(file, core))
        except (
            DeviceError
        ):  # the profile names no kernel of the delegate's: the interpreter runs it
            spent = inference_instructions(file, core) - inference
            spent -= border * (len(net.graph.inputs) + len(net.graph.outputs))
        counts[call.kernel].append((call.arguments, max(spent, 1.0)))
    return counts


def _calls(net: Net) -> list[Call]:
    reader = Reader(net.model, net.graph)
    calls = [integer_call(reader, op) for op in net.graph.operators]
    return [call for call in calls if call is not None]


def _integers(net: Net) -> bytes:
    return quantize(net.file(), "int8", None).tflite
