"""How many instructions full-integer inference takes, beside float32, on two emulated Arm cores.

The Cortex-A72 lacks the dot-product instructions that the Cortex-A76 has. Prints one line per
model and core: million instructions per inference as float32 and as int8 (ranges from random
inputs, which change no count), and their ratio. On this machine it prints median times instead.

    python benchmarks/int8_instructions.py MODEL.tflite ...
"""

import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path

from edgeprune.agents import build, runtime
from edgeprune.agents.session import AgentSession, start_agent
from edgeprune.bench import Device
from edgeprune.board import Board, load_board
from edgeprune.quantize import quantize
from edgeprune.transports.base import TRANSPORTS, Transport

RUNS = (1, 3)


def boards() -> dict[str, Board]:
    """The emulated cores and this machine, by name."""
    emulated = load_board("rpi4-emulated")
    a76 = dataclasses.replace(emulated, cpu=load_board("rpi5").cpu)
    return {"cortex-a72": emulated, "cortex-a76": a76, "this machine": load_board("local")}


def loaded(transport: Transport, file: Path, **rest: bool) -> AgentSession:
    """An agent with the model loaded, one thread."""
    board = transport.board
    session = start_agent(transport, str(build.agent(board.agent.target)), **rest)
    library = runtime.library(board.cpu.isa, board.runtime.version)
    session.load(str(library.path), str(file), timeout_s=600)
    return session


def instructions(transport: Transport, file: Path) -> float:
    """Instructions of one inference: the difference of two run lengths."""
    totals = []
    for runs in RUNS:
        session = loaded(transport, file, count_instructions=True)
        session.time(warmup=1, runs=runs, max_s=0.0, timeout_s=600)
        totals.append(session.close() or 0)
    return (totals[1] - totals[0]) / (RUNS[1] - RUNS[0])


def median_ns(transport: Transport, file: Path) -> float:
    """Median time of one inference."""
    with loaded(transport, file) as session:
        return statistics.median(session.time(10, 60, max_s=10.0, timeout_s=120).latency_ns)


def main() -> None:
    """Prints the table."""
    for model in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / "float.tflite", Path(folder) / "int8.tflite"]
            files[0].write_bytes(Path(model).read_bytes())
            files[1].write_bytes(quantize(files[0].read_bytes(), "int8", None).tflite)
            for name, board in boards().items():
                device = Device(name, name)
                with TRANSPORTS.get(board.transport.use)(board, device) as transport:
                    measure = instructions if transport.emulated else median_ns
                    wide, narrow = (measure(transport, file) / 1e6 for file in files)
                unit = "M instructions" if transport.emulated else "ms (median)"
                print(
                    f"{Path(model).stem:24} {name:13} float32 {wide:9.2f} int8 {narrow:9.2f} "
                    f"{unit:15} ratio {narrow / wide:.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
