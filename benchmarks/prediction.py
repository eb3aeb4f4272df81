"""Does ``explain`` know what the board will do? keras.applications on the emulated Cortex-A72.

Every architecture of ``stock_models.ARCHITECTURES``, from Keras 2 and Keras 3, is pruned at once to
four sparsities in four patterns, rewritten and encoded. Of each file ``explain`` names the sparse
layers and the instructions; then the board runs it, and its profile names the kernels. Printed are
the cells where the two sets of layers differ (there should be none), and how far the predicted
speed-up over the dense model is from the measured one.

Results are appended to FOLDER/cells.jsonl, so that an interrupted run goes on where it stopped.

    python benchmarks/prediction.py FOLDER [ARCHITECTURE ...]
"""

import gc
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stock_models import ARCHITECTURES, application

from edgeprune.agents import build, runtime
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import Board, load_board, resolved_cpu
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.load import load
from edgeprune.measure.layers import layer_timings
from edgeprune.pipeline.jobs import read_in_child
from edgeprune.prediction import explain
from edgeprune.pruning import prune
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.rewrite import rewrite
from edgeprune.sparsify import sparsify
from edgeprune.training.context import StageContext

SPARSITIES = (0.5, 0.7, 0.8, 0.9)
PATTERNS = ("unstructured", "2x1", "4x1", "kernel")
FLAVOURS = {"keras": ".keras", "tf_keras": ".h5"}
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Cell:
    """One file: what was predicted and what was found; instructions per inference."""

    architecture: str
    flavour: str
    sparsity: float
    pattern: str
    dense_predicted: float
    dense_counted: float
    predicted: float
    counted: float
    sparse_layers: int
    unexpected: list[str]
    missing: list[str]

    @property
    def error(self) -> float:
        """Predicted over counted speed-up, minus one."""
        predicted = self.dense_predicted / self.predicted
        return predicted / (self.dense_counted / self.counted) - 1

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from others."""
        return self.architecture, self.flavour, self.sparsity, self.pattern


class EmulatedBoard:
    """Runs files on ``rpi4-emulated``."""

    def __init__(self, folder: Path) -> None:
        self.board: Board = load_board("rpi4-emulated")
        self.cpu = resolved_cpu(self.board.cpu)
        self.agent = str(build.agent(self.board.agent.target))
        self.library = str(runtime.library(self.board.cpu.isa, self.board.runtime.version).path)
        self.file = folder / "running.tflite"

    def _process(self, tflite: bytes, profile: bool, runs: int) -> Any:
        self.file.write_bytes(tflite)
        device = Device(self.board.name, self.board.name)
        with (
            TRANSPORTS.get("qemu")(self.board, device) as transport,
            start_agent(transport, self.agent, count_instructions=not profile) as session,
        ):
            session.load(self.library, str(self.file), profile=profile, timeout_s=TIMEOUT_S)
            if profile:
                found = session.profile(1, timeout_s=TIMEOUT_S)
                return layer_timings(found, tflite, emulated=True)
            session.time(warmup=1, runs=runs, max_s=0.0, timeout_s=TIMEOUT_S)
            return session.close()

    def sparse_layers(self, tflite: bytes) -> set[str]:
        """Names of the layers that the profile says ran sparse."""
        return {layer.name for layer in self._process(tflite, True, 1) if layer.sparse}

    def instructions(self, tflite: bytes) -> float:
        """Per inference: the difference of two run lengths."""
        return float(self._process(tflite, False, 3) - self._process(tflite, False, 1)) / 2


def float_models(folder: Path, wanted: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """Architecture, flavour and float TFLite of each model."""
    for flavour, suffix in FLAVOURS.items():
        for name, size in ARCHITECTURES.items():
            if wanted and name not in wanted:
                continue
            converted = folder / f"{name}-{flavour}.tflite"
            if not converted.exists():
                keras = __import__(flavour)
                saved = folder / f"{name}{suffix}"
                application(keras, name, size).save(saved)
                converted.write_bytes(read_in_child(saved, False))
                keras.backend.clear_session()
                gc.collect()
            yield name, flavour, converted.read_bytes()


def cells(board: EmulatedBoard, folder: Path, wanted: list[str], done: set[Any]) -> Iterator[Cell]:
    """Measures what is not done yet."""
    for name, flavour, tflite in float_models(folder, wanted):
        options = [(s, p) for s in SPARSITIES for p in PATTERNS]
        options = [option for option in options if (name, flavour, *option) not in done]
        if not options:
            continue
        loaded = load(folder / f"{name}-{flavour}.tflite", allow_code=False)
        dense_predicted = explain(tflite, board.cpu).instructions or 0.0
        dense_counted = board.instructions(tflite)
        for sparsity, pattern in options:
            spec = PruneTable(sparsity=sparsity, pattern=pattern)
            pruned = (
                prune(loaded, spec, StageContext(cpu=board.cpu), dense=tflite).model.tflite or b""
            )
            final = sparsify(rewrite(pruned, board.cpu).tflite, board.cpu).tflite
            plan = explain(final, board.cpu)
            ran = board.sparse_layers(final)
            yield Cell(
                name,
                flavour,
                sparsity,
                pattern,
                dense_predicted,
                dense_counted,
                plan.instructions or 0.0,
                board.instructions(final),
                len(ran),
                sorted(ran - set(plan.sparse)),
                sorted(set(plan.sparse) - ran),
            )


def summary(found: list[Cell]) -> None:
    """Prints how good the predictions were."""
    wrong = [cell for cell in found if cell.unexpected or cell.missing]
    ordered = sorted(found, key=lambda cell: abs(cell.error))
    within = sum(abs(cell.error) <= 0.1 for cell in found)
    print(f"{len(found)} cells, {len({(c.architecture, c.flavour) for c in found})} models")
    print(f"sets of sparse layers that differ: {len(wrong)}")
    for cell in wrong:
        print(f"  {cell.key}: unexpected {cell.unexpected[:3]}, missing {cell.missing[:3]}")
    print(f"speed-up predicted within 10 %: {within} ({within / len(found):.1%})")
    worst = ordered[-1]
    print(f"worst: {worst.key}, off by {worst.error:+.1%}")


def main() -> None:
    """Prints a line a cell, then a summary."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "cells.jsonl"
    found = []
    if kept.exists():
        found = [Cell(**json.loads(line)) for line in kept.read_text().splitlines()]
    done = {cell.key for cell in found}
    for cell in cells(EmulatedBoard(folder), folder, sys.argv[2:], done):
        found.append(cell)
        with kept.open("a") as lines:
            lines.write(json.dumps(asdict(cell)) + "\n")
        print(
            f"{cell.architecture:17} {cell.flavour:8} {cell.sparsity:.0%} {cell.pattern:12} "
            f"{cell.dense_counted / 1e6:8.2f} M -> {cell.counted / 1e6:8.2f} M "
            f"{cell.dense_counted / cell.counted:5.2f}x, predicted off by {cell.error:+6.1%}, "
            f"{cell.sparse_layers} sparse, "
            + ("sets differ" if cell.unexpected or cell.missing else "sets equal"),
            flush=True,
        )
    if found:
        summary(found)


if __name__ == "__main__":
    main()
