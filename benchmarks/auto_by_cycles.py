"""Where ``auto`` by cycles differs from ``auto`` by instructions, with the predicted gain.

For the networks of ``int8_instructions.py`` and three cores, both choose what to do with the
network; then either result's cycles are predicted. Prints a row a network and core where the
choices, or the files that they make, differ, and how many do not.

    python benchmarks/auto_by_cycles.py FOLDER [--nets MobileNet mlp16] [--cores cortex-a72]

Networks are made in FOLDER, with seeded weights, and kept there, as are the sparse files that
differ: NAME-CORE-UNIT.tflite.
"""

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from core_work import board_of
from int8_instructions import SHARED, makers, network

from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.auto.choice import choose
from edgeprune.auto.forecast import forecast
from edgeprune.devices.boards import Cpu
from edgeprune.prediction import explain
from edgeprune.prediction.cost import cycles
from edgeprune.prediction.cost.integers import int8_cost
from edgeprune.pruning import prune
from edgeprune.recipe import Recipe, load_recipe
from edgeprune.rewrite import rewrite
from edgeprune.sparsify import sparsify
from edgeprune.training.context import StageContext

CORES = ("cortex-a72", "cortex-a76", "cortex-x1")
UNITS = ("instructions", "cycles")


@contextlib.contextmanager
def deciding_by(unit: str) -> Iterator[None]:
    """Whether cores have cycles at all."""
    forecast.cache_clear()
    known = (lambda name: None) if unit == "instructions" else cycles.load_core
    with patch.object(cycles, "load_core", known):
        yield
    forecast.cache_clear()


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What one unit leads to.

    Attributes:
        what: In words.
        cycles: Predicted of the result.
        file: A sparse network, or nothing.
    """

    what: str
    cycles: float
    file: bytes | None


def chosen(tflite: bytes, cpu: Cpu, unit: str) -> Chosen:
    """What ``auto`` does with a float network, and what that takes."""
    with deciding_by(unit):
        recipe = choose(load_recipe("auto"), cpu, tflite, has_data=True)
        file = sparse_file(tflite, recipe, cpu) if recipe.prune.sparsity else None
    if file is not None:
        plan = explain(file, cpu)
        found = Chosen(f"{len(plan.sparse)} layers sparse", plan.cycles or 0.0, file)
    elif recipe.quantize.mode == "int8":
        found = Chosen("int8", int8_cost(tflite, cpu) or 0.0, None)
    else:
        found = Chosen("float32", explain(tflite, cpu).cycles or 0.0, None)
    return found


def sparse_file(tflite: bytes, recipe: Recipe, cpu: Cpu) -> bytes:
    """The network with zeros, the smallest weights first, rewritten and stored sparse."""
    table = dataclasses.replace(recipe.prune, allocation="uniform", criterion="magnitude")
    loaded = Loaded(ModelFile(Path(), "", "tflite"), tflite=tflite)
    pruned = prune(loaded, table, StageContext(cpu=cpu)).model.tflite or tflite
    return sparsify(rewrite(pruned, cpu).tflite, cpu).tflite


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="+")
    parser.add_argument("--cores", nargs="+", default=CORES)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shared = ("pretrainedResnet.h5", "ad01.h5", "kws_ref_model") if SHARED.is_dir() else ()
    same = 0
    for name in options.nets or [*makers(), *shared]:
        tflite = network(options.folder, name)
        for core in options.cores:
            cpu = board_of(core).cpu
            first, second = (chosen(tflite, cpu, unit) for unit in UNITS)
            if first == second:
                same += 1
                continue
            for one, unit in zip((first, second), UNITS, strict=True):
                if one.file is not None:
                    path = options.folder / f"{Path(name).stem}-{core}-{unit}.tflite"
                    path.write_bytes(one.file)
            print(
                f"| {name} | {core} | {first.what} | {second.what} | {first.cycles / 1e6:.3f} | "
                f"{second.cycles / 1e6:.3f} | {1 - second.cycles / first.cycles:+.1%} |",
                flush=True,
            )
    print(f"{same} others are the same")


if __name__ == "__main__":
    main()
