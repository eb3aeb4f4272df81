"""Instructions of CMSIS-NN beside the cycles that MLPerf Tiny's results took, as Markdown.

Both chips' cores are taken to run the Cortex-M4's instructions, which QEMU counts. One factor a
core, cycles an instruction, makes the squares of the relative errors least on one half of its cells
(``published_latencies.py`` says which), and errors are told of the other half.

    python benchmarks/published_microcontrollers.py FOLDER_OF_CMSIS_NN
"""

import sys
import tempfile
from pathlib import Path

import mlperf_tiny
import numpy as np
from beside_cmsis_nn import CmsisNN
from published_latencies import Cell, cells

from edgeprune.models.tflite import graph


def counted(cmsis_nn: Path) -> dict[str, int]:
    """Instructions of one inference, by the networks' names in the table."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        core = CmsisNN(Path(folder), "dsp", cmsis_nn)
        for name, tflite in mlperf_tiny.networks().items():
            model = graph.view(tflite)
            (first,), _ = graph.io_tensors(model)
            shape = graph.shape_of(model.subgraphs[0].tensors[first])
            values = np.random.default_rng(0).integers(-128, 128, shape[1:]).astype(np.int8)
            found[name.lower()], _ = core.inference(tflite, values)
    return found


def print_core(some: list[Cell], instructions: dict[str, int]) -> None:
    """A row a cell, and the factor."""
    shares = {cell: instructions[cell.network] / (cell.ms * cell.clock_hz / 1e3) for cell in some}
    of_fit = np.array([share for cell, share in shares.items() if cell.is_fitted])
    factor = round(float(of_fit.sum() / np.square(of_fit).sum()), 2)
    for cell, share in shares.items():
        count, half = instructions[cell.network], "fitted" if cell.is_fitted else "held out"
        print(
            f"| {cell.name} | {half} | {count / 1e6:.3f} | {cell.ms:.4g} | "
            f"{cell.ms * share * factor:.4g} | {share * factor - 1:+.1%} |"
        )
    print(f"{some[0].core}: {factor} cycles an instruction")


def main() -> None:
    """Prints both cores."""
    instructions = counted(Path(sys.argv[1]).resolve())
    for core in ("cortex-m4", "cortex-m33"):
        some = [cell for cell in cells() if cell.core == core]
        print_core([cell for cell in some if cell.network in instructions], instructions)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
