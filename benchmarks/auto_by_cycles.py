"""Where ``auto`` by cycles differs from ``auto`` by instructions, with the gain.

For the networks of ``int8_instructions.py`` and three cores, both choose what to do with the
network; then either result's cycles are predicted. Prints a row a network and core where the
choices, or the files that they make, differ, with the gain by what the core is seen to do for both
files on the emulator, and how many do not differ.

    python benchmarks/auto_by_cycles.py FOLDER [--nets MobileNet mlp16] [--cores cortex-a72]

Networks are made in FOLDER, with seeded weights, and kept there, as are counts.
"""

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from core_work import board_of, work_of
from int8_instructions import SHARED, makers, network

from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.auto.choice import choose
from edgeprune.auto.forecast import forecast
from edgeprune.devices.boards import Cpu
from edgeprune.prediction import explain
from edgeprune.prediction.cost import cycles
from edgeprune.prediction.cost.integers import int8_cost
from edgeprune.prediction.cycles import estimate, load_core
from edgeprune.pruning import prune
from edgeprune.quantize import quantize
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
        file: The result.
    """

    what: str
    cycles: float
    file: bytes


def chosen(tflite: bytes, cpu: Cpu, unit: str) -> Chosen:
    """What ``auto`` does with a float network, and what that takes."""
    recipe = load_recipe("auto")
    without_own = dataclasses.replace(recipe.sparsify, kernels="runtime")
    with deciding_by(unit):
        recipe = dataclasses.replace(recipe, sparsify=without_own)
        recipe = choose(recipe, cpu, tflite, has_data=True)
        file = sparse_file(tflite, recipe, cpu) if recipe.prune.sparsity else tflite
    if recipe.quantize.mode == "int8":
        int8 = quantize(tflite, "int8", None).tflite
        return Chosen("int8", int8_cost(tflite, cpu) or 0.0, int8)
    plan = explain(file, cpu)
    what = f"{len(plan.sparse)} layers sparse" if recipe.prune.sparsity else "float32"
    return Chosen(what, plan.cycles or 0.0, file)


def sparse_file(tflite: bytes, recipe: Recipe, cpu: Cpu) -> bytes:
    """The network with zeros, the smallest weights first, rewritten and stored sparse."""
    table = dataclasses.replace(recipe.prune, allocation="uniform", criterion="magnitude")
    loaded = Loaded(ModelFile(Path(), "", "tflite"), tflite=tflite)
    pruned = prune(loaded, table, StageContext(cpu=cpu)).model.tflite or tflite
    return sparsify(rewrite(pruned, cpu).tflite, cpu).tflite


def counted(folder: Path, name: str, core_name: str, found: Chosen) -> float:
    """Estimated cycles of a result, from what the core is seen to do for it."""
    core = load_core(core_name)
    if core is None:
        raise SystemExit(f"{core_name}: nothing is known of its pipelines")
    path = folder / f"{Path(name).stem}-{core_name}-{found.what.replace(' ', '-')}.tflite"
    path.write_bytes(found.file)
    return estimate(work_of(path, core, folder / "counts"), core).cycles


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
            both = [chosen(tflite, board_of(core).cpu, unit) for unit in UNITS]
            if both[0] == both[1]:
                same += 1
                continue
            predicted = [one.cycles / 1e6 for one in both]
            seen = [counted(options.folder, name, core, one) / 1e6 for one in both]
            print(
                f"| {name} | {core} | {both[0].what} | {both[1].what} | {predicted[0]:.3f} | "
                f"{predicted[1]:.3f} | {1 - predicted[1] / predicted[0]:+.1%} | "
                f"{1 - seen[1] / seen[0]:+.1%} |",
                flush=True,
            )
    print(f"{same} others are the same")


if __name__ == "__main__":
    main()
