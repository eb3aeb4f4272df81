"""Does the agent measure what Python's own interface to the same runtime measures?

Times one inference with the native agent and with ``ai_edge_litert.compiled_model`` (XNNPACK, one
thread), in fresh processes that take turns, on the same inputs. A ratio is agent / Python of one
pair of neighbouring processes; the line shows the median ratio and the middle half of them.

    python benchmarks/agent_overhead.py [--pairs 15] [--runs 2000] [MODEL.tflite ...]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgeprune.agents import build, runtime
from edgeprune.agents.session import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS, Transport

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "models"
NAMES = ("kws_ref_model_float32.tflite", "kws_ref_model.tflite", "pretrainedResnet_quant.tflite")

PYTHON = """
import sys, time, statistics
import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.cpu_options import CpuOptions
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import Options
options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(1))
model = CompiledModel.from_file(sys.argv[1], options=options)
inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
inputs[0].write(np.load(sys.argv[2]))
run, clock, times = model.run_by_index, time.perf_counter_ns, []
for k in range(int(sys.argv[3]) * 6 // 5):
    start = clock()
    run(0, inputs, outputs)
    times.append(clock() - start)
print(statistics.median(times[-int(sys.argv[3]):]))
"""


def agent_median_ns(transport: Transport, model: Path, sample: Path, runs: int) -> float:
    """Median latency in a fresh agent process, after a warm-up of a fifth of the runs."""
    with start_agent(transport, str(build.agent("host"))) as agent:
        agent.load(str(runtime.library("host", transport.board.runtime.version).path), str(model))
        agent.infer([[np.load(sample)]])
        return statistics.median(agent.time(runs // 5, runs, max_s=0.0, timeout_s=600).latency_ns)


def python_median_ns(model: Path, sample: Path, runs: int) -> float:
    """Median latency in a fresh Python process, after a warm-up of a fifth of the runs."""
    argv = [sys.executable, "-c", PYTHON, str(model), str(sample), str(runs)]
    return float(subprocess.run(argv, check=True, capture_output=True, timeout=600).stdout)


def save_sample(transport: Transport, model: Path, folder: Path) -> Path:
    """Writes one random input of the model."""
    with start_agent(transport, str(build.agent("host"))) as agent:
        library = runtime.library("host", transport.board.runtime.version)
        (tensor,) = agent.load(str(library.path), str(model)).inputs
    rng = np.random.default_rng(0)
    is_float = tensor.dtype == "float32"
    values = rng.random(tensor.shape) if is_float else rng.integers(-128, 128, tensor.shape)
    path = folder / f"{model.stem}.npy"
    np.save(path, values.astype(tensor.dtype))
    return path


def main() -> None:
    """Prints one line a model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, default=[SHARED / n for n in NAMES])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--runs", type=int, default=2000)
    given = parser.parse_args()
    missing = [str(path) for path in given.models if not path.is_file()]
    if missing:
        sys.exit(f"no such model, name others: {', '.join(missing)}")
    board = load_board("local")
    with (
        tempfile.TemporaryDirectory() as folder,
        TRANSPORTS.get("local")(board, Device(board="local")) as transport,
    ):
        for model in given.models:
            sample = save_sample(transport, model, Path(folder))
            agent, python = [], []
            for k in range(given.pairs):
                if k % 2:
                    python.append(python_median_ns(model, sample, given.runs))
                agent.append(agent_median_ns(transport, model, sample, given.runs))
                if not k % 2:
                    python.append(python_median_ns(model, sample, given.runs))
            ratios = [a / p for a, p in zip(agent, python, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            print(
                f"{model.name}: agent {statistics.median(agent) / 1e3:.1f} us, Python "
                f"{statistics.median(python) / 1e3:.1f} us, ratio {middle:.3f} "
                f"({low:.3f} to {high:.3f}), {given.pairs} pairs of {given.runs} runs"
            )


if __name__ == "__main__":
    main()
