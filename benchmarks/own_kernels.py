"""Whole int8 networks in edgeprune's own block-sparse kernels, beside XNNPACK's dense int8 ones.

Networks have their real shapes and random weights; blocks of 4 input channels are zeroed at random
in every convolution but the first and the head, which stay XNNPACK's. For each sparsity it prints
million instructions per inference on an emulated board, or, with --here, milliseconds on this
machine: rounds of both files turn about in one sitting, of each the median and the least time; a
ratio is the median of the rounds'. Where others use the machine too, the least times tell more.

    python benchmarks/own_kernels.py [--board rpi4-emulated | --here] [--nets MobileNet ResNet50]
        [--sparsity 0.8 0.9] [--threads 1]
"""

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import int8_networks
from int8_networks import RELU6, Network

from edgeprune.agents import build, runtime
from edgeprune.agents.session import AgentSession
from edgeprune.agents.start import start_agent
from edgeprune.artifacts.arrays import Array
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS, Transport
from edgeprune.models.tflite import conv_plan, graph
from edgeprune.sparsify.kernel_choice import kernel_choices
from edgeprune.sparsify.own_kernels import layers_of, with_own_kernels

RUNS = (1, 4)
ROUNDS = 15
SIDE = 224
TIMEOUT_S = 600.0


def mobilenet() -> bytes:
    """MobileNet 1.0."""
    net = Network(1)
    x = net.convolve(net.source((1, SIDE, SIDE, 3), 1 / 127, -1), 32, (3, 3), 2, RELU6)
    widths = [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    for width, stride in zip(widths, strides, strict=True):
        x = net.convolve(net.separate(x, stride=stride, act=RELU6), width, act=RELU6)
    return net.finish("", net.flat(net.convolve(net.mean_of_map(x), 1000, act=0))).tflite


def mobilenet_v2() -> bytes:
    """MobileNetV2 1.0."""
    net = Network(2)
    x = net.convolve(net.source((1, SIDE, SIDE, 3), 1 / 127, -1), 32, (3, 3), 2, RELU6)
    blocks = [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]  # fmt: skip
    for expansion, channels, count, first_stride in blocks:
        for number in range(count):
            stride, before = (1 if number else first_stride), x
            if expansion > 1:
                x = net.convolve(x, net.shape(x)[3] * expansion, act=RELU6)
            x = net.convolve(net.separate(x, stride=stride, act=RELU6), channels, act=0)
            x = net.add(before, x) if number else x
    x = net.mean_of_map(net.convolve(x, 1280, act=RELU6), keep=False)
    return net.finish("", net.dense(x, 1000)).tflite


def resnet50() -> bytes:
    """ResNet-50, version 1."""
    net = Network(3)
    x = net.convolve(net.source((1, SIDE, SIDE, 3), 1 / 127, -1), 64, (7, 7), 2)
    x = net.make(
        "MAX_POOL_2D", [x], (1, SIDE // 4, SIDE // 4, 64), padding=0, strideH=2, strideW=2,
        filterHeight=3, filterWidth=3, fusedActivationFunction=0,
    )  # fmt: skip
    for width, count, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for number in range(count):
            stride, before = (1 if number else first_stride), x
            x = net.convolve(net.convolve(x, width, stride=stride), width, (3, 3))
            x = net.convolve(x, 4 * width, act=0)
            if not number:
                before = net.convolve(before, 4 * width, stride=stride, act=0)
            x = net.add(before, x)
    return net.finish("", net.dense(net.mean_of_map(x, keep=False), 1000)).tflite


EIGHT: dict[str, Callable[[], bytes]] = {
    "MobileNet": mobilenet,
    "MobileNetV2": mobilenet_v2,
    "ResNet50": resnet50,
    "MobileNet-0.25, 96": lambda: bytes(int8_networks.mobilenet_v1().tflite),
    "MobileNetV2-0.35, 96": lambda: bytes(int8_networks.mobilenet_v2().tflite),
    "MobileNetV3-small-0.75, 96": lambda: bytes(int8_networks.mobilenet_v3_small().tflite),
    "visual wake words": lambda: bytes(int8_networks.visual_wake_words().tflite),
    "streaming wakeword": lambda: bytes(int8_networks.streaming_wakeword().tflite),
}
"""Of ``--auto``: also those of MLPerf Tiny and Keras that firmware runs."""

SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)

NETS: dict[str, Callable[[], bytes]] = {
    "MobileNet": mobilenet,
    "MobileNetV2": mobilenet_v2,
    "ResNet50": resnet50,
}


def pruned(tflite: bytes, sparsity: float, *, every: bool = False) -> tuple[bytes, set[str]]:
    """The file with zeroed blocks, and the names of the layers that have them.

    Args:
        tflite: An int8 network.
        sparsity: Share of the blocks to zero.
        every: In every layer, not in convolutions of many channels and maps alone.
    """
    chance = np.random.default_rng(7)
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    names = set()
    for op in subgraph.operators:
        if graph.op_name(model, op) not in conv_plan.OPERATORS[: 1 + every]:
            continue
        tensor = subgraph.tensors[op.inputs[1]]
        weights = graph.constant(model, tensor)
        output = subgraph.tensors[op.outputs[0]]
        if weights is None or not (
            every or (weights.shape[3] >= 16 and graph.shape_of(output)[1] > 1)
        ):
            continue
        tensor.buffer = graph.add_buffer(model, with_zeros(weights, sparsity, chance).tobytes())
        names.add(graph.tensor_name(output))
    return bytes(graph.write(model)), names


def with_zeros(weights: Array, sparsity: float, chance: np.random.Generator) -> Array:
    """The same with so many blocks of 4 input channels zeroed, the last of which may be shorter."""
    channels = weights.shape[-1]
    missing = -channels % conv_plan.BLOCK
    rows = np.pad(weights.reshape(-1, channels), ((0, 0), (0, missing)))
    blocks = rows.reshape(-1, conv_plan.BLOCK)
    blocks[chance.permutation(len(blocks))[: round(sparsity * len(blocks))]] = 0
    return blocks.reshape(len(rows), -1)[:, :channels].reshape(weights.shape)


@contextmanager
def opened(board_name: str) -> Iterator[Transport]:
    """An emulated board, or this machine."""
    board = load_board(board_name)
    with TRANSPORTS.get(board.transport.use)(board, Device(board.name, board.name)) as transport:
        yield transport


def loaded(transport: Transport, file: Path, threads: int, **rest: bool) -> AgentSession:
    """An agent with the model loaded."""
    board = transport.board
    session = start_agent(transport, str(build.agent(board.agent.target)), **rest)
    library = runtime.library(board.cpu.isa, board.runtime.version)
    session.load(str(library.path), str(file), threads=threads, timeout_s=TIMEOUT_S)
    return session


def instructions(transport: Transport, file: Path) -> float:
    """Million instructions of one inference: the difference of two run lengths."""
    totals = []
    for runs in RUNS:
        session = loaded(transport, file, 1, count_instructions=True)
        session.time(warmup=0, runs=runs, max_s=0.0, timeout_s=TIMEOUT_S)
        totals.append(session.close() or 0)
    return (totals[1] - totals[0]) / (RUNS[1] - RUNS[0]) / 1e6


def turn_about(transport: Transport, files: list[Path], threads: int) -> list[list[list[int]]]:
    """Times in nanoseconds: by file, by round."""
    sessions = [loaded(transport, file, threads) for file in files]
    rounds: list[list[list[int]]] = [[] for _ in files]
    for _ in range(ROUNDS):
        for k, session in enumerate(sessions):
            timing = session.time(warmup=2, runs=1000, max_s=0.3, timeout_s=60)
            rounds[k].append(list(timing.latency_ns))
    for session in sessions:
        session.close()
    return rounds


def of_rounds(rounds: list[list[list[int]]], of: Callable[[list[int]], float]) -> str:
    """One figure a round in milliseconds, and how many times as fast the second file is."""
    dense, own = ([of(times) / 1e6 for times in one] for one in rounds)
    ratio = statistics.median(a / b for a, b in zip(dense, own, strict=True))
    return f"{statistics.median(dense):.2f} to {statistics.median(own):.2f} ms, {ratio:.2f}x"


def compare(transport: Transport, name: str, sparsity: float, threads: int) -> None:
    """Prints one line."""
    dense, names = pruned(NETS[name](), sparsity)
    own, replaced = with_own_kernels(dense, lambda layer: layer.name in names)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "dense.tflite", Path(folder) / "own.tflite"]
        for file, content in zip(files, (dense, own), strict=True):
            file.write_bytes(content)
        if transport.emulated:
            counts = [instructions(transport, file) for file in files]
            figures = f"{counts[0]:.2f} to {counts[1]:.2f} M, {counts[0] / counts[1]:.2f}x"
        else:
            rounds = turn_about(transport, files, threads)
            median, least = of_rounds(rounds, statistics.median), of_rounds(rounds, min)
            figures = f"median {median}; least {least}"
    print(
        f"{name:12} {sparsity:4.0%} zeros in {len(replaced):2} layers: {figures}; "
        f"file {len(own) / len(dense):.3f} of dense",
        flush=True,
    )


def compare_auto(transport: Transport, name: str) -> float:
    """Prints a line of one architecture, dense beside each sparsity; the worst of these ratios."""
    tflite, cpu = EIGHT[name](), resolved_cpu(transport.board.cpu)
    found, worst, before = [], math.inf, None
    with tempfile.TemporaryDirectory() as folder:
        for sparsity in SPARSITIES:
            dense, _ = pruned(tflite, sparsity, every=True)
            choices = kernel_choices(layers_of(dense), cpu, "auto")
            chosen = {choice.name for choice in choices if choice.is_own}
            if not chosen:
                found.append(f"{sparsity:.0%} dense")
                continue
            own, _ = with_own_kernels(dense, lambda layer, taken=chosen: layer.name in taken)
            files = [Path(folder) / "dense.tflite", Path(folder) / "own.tflite"]
            for file, content in zip(files, (dense, own), strict=True):
                file.write_bytes(content)
            if transport.emulated:  # where zeros change nothing for dense kernels
                before = before or instructions(transport, files[0])
                ratio = before / instructions(transport, files[1])
            else:
                first, second = (min(map(min, one)) for one in turn_about(transport, files, 1))
                ratio = first / second
            worst = min(worst, ratio)
            found.append(f"{sparsity:.0%} {ratio:.3f}x ({len(chosen)} of {len(choices)})")
    print(f"{name}: {'; '.join(found)}", flush=True)
    return worst


def main() -> None:
    """Prints a line for each network and sparsity."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--board", default="rpi5-emulated")
    parser.add_argument("--here", action="store_const", const="local", dest="board")
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS)
    parser.add_argument("--sparsity", nargs="+", type=float, default=[0.8, 0.9])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--auto", action="store_true")
    options = parser.parse_args()
    with opened(options.board) as transport:
        if options.auto:
            print(f"worst: {min(compare_auto(transport, name) for name in EIGHT):.3f}x")
            return
        for name in options.nets:
            for sparsity in options.sparsity:
                compare(transport, name, sparsity, options.threads)


if __name__ == "__main__":
    main()
