"""How far right kernels differ, which is what the limits of parity and of a rewrite rest on.

For every float file of the folders: the largest difference to the host's built-in kernels, as a
share of the largest output, of the host's XNNPACK, of the emulated Raspberry Pi 4, and of the graph
turned by 180 degrees where the turn changes it.

    python benchmarks/rounding.py FOLDER [FOLDER ...]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.artifacts.arrays import Samples
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.models.tflite import graph
from edgeprune.rewrite import turn

BOARD = "rpi4-emulated"
HOST_SAMPLES, BOARD_SAMPLES = 8, 3
LEAST = float(np.finfo(np.float32).eps)  # smaller shares say nothing


def share(found: Samples, expected: Samples) -> float:
    """Largest difference over all outputs, each as a share of its own largest value."""
    worst = 0.0
    for ours, right in zip(zip(*found, strict=True), zip(*expected, strict=True), strict=True):
        largest = max(float(np.abs(right).max()), float(np.finfo(np.float32).tiny))
        worst = max(worst, float(np.abs(np.stack(ours) - np.stack(right)).max()) / largest)
    return worst


def emulated(tflite: bytes, samples: Samples) -> Samples:
    """Outputs on the emulated board."""
    board = load_board(BOARD)
    agent = str(build.agent(board.agent.target))
    library = str(runtime.library(board.cpu.isa, board.runtime.version).path)
    with (
        tempfile.TemporaryDirectory() as folder,
        TRANSPORTS.get(board.transport.use)(board, Device(BOARD, BOARD)) as transport,
    ):
        file = Path(folder) / "model.tflite"
        file.write_bytes(tflite)
        return verify.board_outputs(transport, agent, library, str(file), samples)


def line(file: Path) -> str:
    """One row of the table."""
    tflite = file.read_bytes()
    samples = verify.sample_inputs(tflite, None, HOST_SAMPLES)
    expected = verify.reference_outputs(tflite, samples)
    xnnpack = verify.HostModel(tflite, reference=False)
    host = [xnnpack(sample) for sample in samples]
    few = BOARD_SAMPLES
    board = share(emulated(tflite, samples[:few]), expected[:few])
    ratio = board / max(share(host[:few], expected[:few]), LEAST)
    model = graph.read(tflite)
    is_turned = any(note.done for note in turn.apply(model, turn.best_axes(model)))
    turned = share(verify.reference_outputs(graph.write(model), samples), expected)
    return (
        f"{file.parent.name}/{file.stem:26}{share(host, expected):10.1e}{board:10.1e}{ratio:8.2f}"
        + (f"{turned:10.1e}" if is_turned else "         -")
    )


if __name__ == "__main__":
    print(f"{'model':30}{'XNNPACK':>10}{BOARD:>15}{'ratio':>8}{'turned':>10}")
    for name in sys.argv[1:]:
        for path in sorted(Path(name).glob("*.tflite")):
            print(line(path), flush=True)
