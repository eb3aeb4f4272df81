"""What does measuring cost? The agent's ``time`` beside a bare loop over the same runtime.

The bare loop (``bare_loop.c``) reads the clock once before and once after a block of inferences;
the agent reads it around each one. A pair is one fresh process of each; the two take turns, block
by block of 3 ms, so that both meet the same neighbours. Of each the quietest twentieth of the
blocks gives the time of one inference, and a pair one ratio; shown are the median of all pairs and
its 95 % bootstrap interval. Beside it stand instructions per inference of both, counted by valgrind
where that is installed: they have no noise. Most of what the agent adds there is writing its
answer, after the last reading.

A net passes where the agent's figure is at most 1 % or at most 5 us above the bare loop's, at the
upper end of the interval.

    python benchmarks/measuring_overhead.py FOLDER [--pairs 20]

Every pair is kept in FOLDER/pairs.json and not measured again.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from nets import Net

from edgeprune.agents import build, runtime
from edgeprune.agents.session import AgentSession
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.devices.transports.base import TRANSPORTS, Transport
from edgeprune.errors import DeviceError

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT / ".." / "shared" / "models"
BLOCK_S = 0.003
"""Short enough to fit between two interruptions; its two clock readings are 0.003 % of it."""

BLOCKS = 300
QUIET = 0.05
LIMIT_RATIO, LIMIT_US = 1.01, 5.0
COUNTED = (20, 120)  # runs of the two processes whose instruction counts are subtracted
MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5)
MOBILENET += ((1024, 2), (1024, 1))
"""Channels and stride of each separable block. Source: Howard et al. 2017, MobileNets, table 1."""


def mobilenet(width: float = 0.25, size: int = 96) -> bytes:
    """MobileNetV1 with random weights."""
    net = Net()
    x = net.conv(net.input(1, size, size, 3), round(32 * width), 3, 2)
    for channels, stride in MOBILENET:
        x = net.conv(net.depthwise(x, 3, stride), round(channels * width))
    return net.build(net.dense(net.mean(x), 1000))


def tiny() -> bytes:
    """Eight inputs, four outputs: nothing but the runtime's own cost."""
    net = Net()
    return net.build(net.dense(net.input(1, 8), 4))


NETS: dict[str, Callable[[], bytes]] = {
    "MobileNet 0.25, 96 x 96, float": mobilenet,
    "ResNet-8, int8": (SHARED / "pretrainedResnet_quant.tflite").read_bytes,
    "DS-CNN, int8": (SHARED / "kws_ref_model.tflite").read_bytes,
    "8 x 4 dense, float": tiny,
}


class Rivals:
    """The two programs, on one model."""

    def __init__(self, transport: Transport, model: Path) -> None:
        native = ROOT / "device_agents" / "native"
        sources = [native / f"{name}.c" for name in ("runtime", "library", "load", "failure")]
        sources.append(Path(__file__).with_name("bare_loop.c"))
        flags = ("-D_POSIX_C_SOURCE=200809L", "-Wl,-z,now", "-s", "-ldl", f"-I{sources[0].parent}")
        self.loop = compile_c("bare_loop", sources, flags, "host")
        self.agent_path = build.agent("host")
        self.transport, self.model = transport, model
        self.library = str(runtime.library("host", transport.board.runtime.version).path)

    def pair_us(self, block: int) -> tuple[float, float]:
        """Quiet times of one inference: of the bare loop, and of the agent."""
        argv = [str(self.loop), self.library, str(self.model)]
        bare, agent_us = Child(argv, {}), []
        bare_us = []
        with start_agent(self.transport, str(self.agent_path)) as agent:
            agent.load(self.library, str(self.model))
            for k in range(BLOCKS):
                if k % 2:
                    agent_us.append(_agent_us(agent, block))
                    bare_us.append(_bare_us(bare, block))
                else:
                    bare_us.append(_bare_us(bare, block))
                    agent_us.append(_agent_us(agent, block))
        bare.close(5.0)
        return float(np.quantile(bare_us, QUIET)), float(np.quantile(agent_us, QUIET))

    def refuses_profiled_timing(self) -> bool:
        """Whether the agent times no model that carries the profiler."""
        with start_agent(self.transport, str(self.agent_path)) as agent:
            agent.load(self.library, str(self.model), profile=True)
            try:
                agent.time(0, 1, 0.0, 600.0)
            except DeviceError as error:
                return "loaded to be profiled" in str(error)
        return False


def _bare_us(bare: Child, block: int) -> float:
    """Mean of one block of the bare loop."""
    bare.write(b"%d\n" % block, 60.0)
    text = b""
    while not text.endswith(b"\n"):
        text += bare.read(1, 60.0)
    return int(text) / block / 1e3


def _agent_us(agent: AgentSession, block: int) -> float:
    """Mean of the single times of one block that the agent answers with."""
    return statistics.fmean(agent.time(0, block, 0.0, 60.0).latency_ns) / 1e3


class Counted:
    """The two programs under valgrind."""

    def __init__(self, rivals: Rivals) -> None:
        self.rivals = rivals

    def bare(self, runs: int) -> int:
        """Instructions of a whole process of the bare loop."""
        rivals = self.rivals
        argv = [str(rivals.loop), rivals.library, str(rivals.model)]
        return self._count(argv, b"%d\n" % runs)

    def agent(self, runs: int) -> int:
        """Instructions of a whole agent process, its answer included."""
        from edgeprune.agents.wire import Frame, pack

        rivals = self.rivals
        load = {"runtime": rivals.library, "model": str(rivals.model), "threads": 1, "cpus": []}
        requests: list[dict[str, Any]] = [
            {"id": 1, "cmd": "load", **load, "profile": False},
            {"id": 2, "cmd": "time", "warmup": 0, "runs": runs, "max_ns": 0},
            {"id": 3, "cmd": "quit"},
        ]
        frames = b"".join(pack(Frame(request)) for request in requests)
        return self._count([str(rivals.agent_path)], frames)

    def _count(self, argv: list[str], frames: bytes) -> int:
        with tempfile.TemporaryDirectory() as folder:
            tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
            # The agent ends with its input, so that the input must stay open until it has quit.
            with subprocess.Popen(
                [*tool, f"--log-file={folder}/log", *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                stdin = cast(IO[bytes], process.stdin)
                stdin.write(frames)
                if argv[0] == str(self.rivals.agent_path):
                    stdin.flush()
                else:
                    stdin.close()
                process.wait(600)
            words = Path(folder, "log").read_text(errors="replace")
        found = re.search(r"Collected : (\d+)", words)
        if found is None:
            sys.exit(f"valgrind counted nothing: {words[-500:]}")
        return int(found[1])


def measure(rivals: Rivals, pairs: int, row: dict[str, Any], keep: Callable[[], None]) -> None:
    """Adds what a row lacks."""
    if "block" not in row:
        row["block"] = max(1, round(BLOCK_S * 1e6 / rivals.pair_us(20)[0]))
    row.setdefault("refuses", rivals.refuses_profiled_timing())
    done = row.setdefault("pairs_us", [])
    while len(done) < pairs:
        done.append(rivals.pair_us(row["block"]))
        keep()
    if "instructions" not in row and shutil.which("valgrind"):
        counted = Counted(rivals)
        row["instructions"] = [
            (count(COUNTED[1]) - count(COUNTED[0])) / (COUNTED[1] - COUNTED[0])
            for count in (counted.bare, counted.agent)
        ]
        keep()


def line(name: str, row: dict[str, Any]) -> str:
    """A row of the table."""
    pairs = np.array(row["pairs_us"])
    rng = np.random.default_rng(0)
    picks = pairs[rng.integers(0, len(pairs), (5000, len(pairs)))]
    ratios = np.median(picks[:, :, 1] / picks[:, :, 0], axis=1)
    extra = np.median(picks[:, :, 1] - picks[:, :, 0], axis=1)
    ratio = float(np.median(pairs[:, 1] / pairs[:, 0]))
    extra_us = float(np.median(pairs[:, 1] - pairs[:, 0]))
    ends, us = np.quantile(ratios, (0.025, 0.975)), np.quantile(extra, (0.025, 0.975))
    passes = [bool(ends[end] <= LIMIT_RATIO or us[end] <= LIMIT_US) for end in (0, 1)]
    verdict = "yes" if passes[1] else "not shown" if passes[0] else "NO"
    counts = row.get("instructions")
    counted = f"{counts[0]:,.0f} + {counts[1] - counts[0]:,.0f}" if counts else "not counted"
    return (
        f"| {name} | {np.median(pairs[:, 0]):.2f} | {np.median(pairs[:, 1]):.2f} | {ratio:.4f} "
        f"({ends[0]:.4f} to {ends[1]:.4f}) | {extra_us:+.3f} ({us[0]:+.3f} to {us[1]:+.3f}) | "
        f"{counted} | {'yes' if row['refuses'] else 'NO'} | {verdict} |"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=20)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    file = given.folder / "pairs.json"
    rows: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    with TRANSPORTS.get("local")(load_board("local"), Device(board="local")) as transport:
        print(
            "| net | bare loop, us | agent, us | ratio (95 %) | difference, us (95 %) | "
            "instructions: bare + agent's more | refuses to time a profiled load | passes |\n"
            "| --- | --- | --- | --- | --- | --- | --- | --- |"
        )
        for index, (name, make) in enumerate(NETS.items()):
            model = given.folder / f"{index}.tflite"
            model.write_bytes(make())
            row = rows.setdefault(name, {})
            rivals = Rivals(transport, model)
            measure(rivals, given.pairs, row, lambda: file.write_text(json.dumps(rows)) and None)
            print(line(name, row), flush=True)


if __name__ == "__main__":
    main()
