"""Instructions that each XNNPACK node of a model executes, exactly, on an emulated Arm core.

python benchmarks/node_instructions.py FILE.tflite [CORE]
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from edgeprune.agents import build, runtime
from edgeprune.agents.session import AgentSession, ProfileEvent
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.devices.transports.base import TRANSPORTS, Transport
from edgeprune.devices.transports.qemu import QemuChannel
from edgeprune.errors import DeviceError
from edgeprune.models.tflite import graph

DELEGATE = 2  # the event source of a delegate's kernels, after device_agents/PROTOCOL.md
CONCATENATION_LIMIT = 5  # inputs that the delegate takes, XNNPACK's XNN_MAX_OPERATOR_OBJECTS
READING = 31
"""Instructions that the profiler's reading of the clock adds to a node.

Source: ours; the second of two SQUARE nodes of 32 elements counts 214, the first, before which the
clock was read already, 183, and forty of them take 184 each without a profiler.
"""
TIMEOUT_S = 1800.0
BOARDS = {"cortex-a72": "rpi4-emulated", "cortex-a76": "rpi5-emulated"}


@contextmanager
def _on_board(tflite: bytes, core: str) -> Iterator[tuple[Transport, str, str, str]]:
    """An emulated board; paths of its agent, its runtime and the model's file."""
    board = load_board(BOARDS[core])
    agent = build.agent(board.agent.target)
    library = runtime.library(board.cpu.isa, board.runtime.version)
    with (
        tempfile.TemporaryDirectory() as folder,
        TRANSPORTS.get("qemu")(board, Device(board.name, board.name)) as transport,
    ):
        file = Path(folder) / "model.tflite"
        file.write_bytes(tflite)
        yield transport, str(agent), str(library.path), str(file)


def node_instructions(tflite: bytes, core: str) -> list[tuple[str, int]]:
    """Kernel names and instructions of one inference, in order.

    Raises:
        DeviceError: The readings of the clock do not match the profile.
    """
    plugin = compile_c(
        "libnode_instructions.so",
        [Path(__file__).with_suffix(".c")],
        ("-shared", "-fPIC"),
        "host",
    )
    with _on_board(tflite, core) as (transport, agent, library, file):
        readings = Path(file).with_name("readings")
        argv = [*transport._prefix(), "-plugin", f"{plugin},out={readings}", agent]
        with AgentSession(QemuChannel(Child(argv, {}), None)) as session:
            session.load(library, file, profile=True, timeout_s=TIMEOUT_S)
            events = session.profile(1, timeout_s=TIMEOUT_S).events
        lines = [tuple(map(int, line.split())) for line in readings.read_text().splitlines()]
    return _matched(_kernels(tflite, events[0]), lines)


def _kernels(tflite: bytes, events: Sequence[ProfileEvent]) -> list[str]:
    """Names of the kernels that read the clock: a CONCATENATION has one for each of its inputs."""
    model = graph.read(tflite)
    joined = (
        len(op.inputs)
        for op in model.subgraphs[0].operators
        if graph.op_name(model, op) == "CONCATENATION" and len(op.inputs) <= CONCATENATION_LIMIT
    )
    return [
        event.tag
        for event in events
        if event.source == DELEGATE
        for _ in range(next(joined) if event.tag.startswith("Copy (NC") else 1)
    ]


def _matched(kernels: list[str], readings: list[tuple[int, ...]]) -> list[tuple[str, int]]:
    """Differences up to the readings of the one caller that read once a kernel and inference.

    The agent runs a first inference, which it does not report, before the profiled one.
    """
    spent: dict[int, list[int]] = {}
    for (before, _), (now, caller) in pairwise(readings):
        spent.setdefault(caller, []).append(now - before)
    half = len(kernels)
    fitting = [n for n in spent.values() if len(n) == 2 * half and n[:half] == n[half:]]
    if len(fitting) != 1:
        raise DeviceError(
            f"{len(kernels)} kernels, but {[len(n) for n in spent.values()]} readings"
        )
    nodes = fitting[0][half:]
    return [
        (tag, count - READING * (i > 0))
        for i, (tag, count) in enumerate(zip(kernels, nodes, strict=True))
    ]


def inference_instructions(tflite: bytes, core: str, runs: int = 12) -> float:
    """Instructions of one inference, all in all, without a profiler: of two processes' counts."""
    totals = [_process_instructions(tflite, core, count) for count in (1, 1 + runs)]
    return (totals[1] - totals[0]) / runs


def _process_instructions(tflite: bytes, core: str, runs: int) -> int:
    with (
        _on_board(tflite, core) as (transport, agent, library, file),
        start_agent(transport, agent, count_instructions=True) as session,
    ):
        session.load(library, file, timeout_s=TIMEOUT_S)
        session.time(warmup=1, runs=runs, max_s=0.0, timeout_s=TIMEOUT_S)
        total = session.close()
    if total is None:
        raise DeviceError("the emulator brought back no instruction count")
    return total


if __name__ == "__main__":
    for tag, count in node_instructions(
        Path(sys.argv[1]).read_bytes(), (*sys.argv[2:], "cortex-a72")[0]
    ):
        print(f"{count:12} {tag}")
