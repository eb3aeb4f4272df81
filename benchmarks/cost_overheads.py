"""Costs that no profile shows: of an inference as such, and of the interpreter's own kernels."""

from collections import defaultdict
from collections.abc import Callable

from cost_copies import concatenation
from cost_layers import Add, Shape, pool
from cost_nets import Net
from node_instructions import inference_instructions, node_instructions

from edgeprune.prediction.cost.kernel_calls import Place, kernel_calls
from edgeprune.prediction.xnnpack.reader import Reader

BORDERS = [(1, 1), (2, 1), (4, 1), (1, 2), (1, 4)]  # inputs and outputs
REVERSED = [(1, 4, 4, 8), (1, 32, 32, 3), (1, 64, 64, 3), (1, 64, 64, 16), (1, 16, 16, 64)]
REVERSED += [(1, 96, 96, 3), (1, 10, 7, 1), (1, 24, 24, 12)]
POOLED = [(1, 8, 8, 16), (1, 16, 16, 64), (1, 24, 24, 11), (1, 12, 12, 264), (1, 6, 10, 32)]
JOINED = [((1, 8, 8, 16), 6), ((1, 12, 12, 44), 6), ((1, 6, 6, 88), 8), ((1, 3, 3, 10), 10)]

Counts = dict[str, list[tuple[tuple[object, ...], float]]]


def of_inference(core: str) -> tuple[float, float]:
    """Instructions of an inference as such, and of each input and output of the graph."""
    extra = {}
    for inputs, outputs in BORDERS:
        net = Net(0)
        x, *others = [net.input(1, 1, 1, 8) for _ in range(inputs)]
        for other in others:
            x = net.op("ADD", [x, other], (1, 1, 1, 8))
        for _ in range(outputs):
            net.end(net.op("SQUARE", [x], (1, 1, 1, 8)))
        file = net.file()
        nodes = sum(count for _, count in node_instructions(file, core))
        extra[inputs, outputs] = inference_instructions(file, core) - nodes
    border = (extra[4, 1] + extra[1, 4] - 2 * extra[1, 1]) / 6
    return round(extra[1, 1] - 2 * border, 1), round(border, 1)


def of_builtins(core: str, border: float) -> Counts:
    """Instructions of kernels of the interpreter's own, which the delegate does not take."""
    layers: list[Add] = [
        reverse(shape, axes) for shape in REVERSED for axes in ((1, 2), (1, 2, 3), (2, 3))
    ]
    for name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        layers += [pool(name, shape, 1, 2, 1) for shape in POOLED]
    layers += [concatenation(shape, count) for shape, count in JOINED]
    counts: Counts = defaultdict(list)
    for add in layers:
        net = _before_a_node(add)
        op = net.graph.operators[0]
        calls = kernel_calls(Place(Reader(net.model, net.graph), (), False), op)
        shape = net.shape(int(op.outputs[0]))
        bare = _before_a_node(lambda other, shape=shape: other.input(*shape))  # type: ignore[misc]
        spent = inference_instructions(net.file(), core) - inference_instructions(bare.file(), core)
        more_inputs = len(net.graph.inputs) - 1
        for call in calls or ():
            counts[call.kernel].append((call.arguments, spent - border * more_inputs))
    return counts


def _before_a_node(add: Callable[[Net], int]) -> Net:
    net = Net(0)
    x = add(net)
    net.end(net.op("SQUARE", [x], net.shape(x)))
    return net


def reverse(shape: Shape, axes: tuple[int, ...]) -> Add:
    """A REVERSE_V2."""

    def add(net: Net) -> int:
        return net.op("REVERSE_V2", [net.input(*shape), net.integers(*axes)], shape)

    return add
