"""Writes a core's table of instructions, ``edgeprune/firmware/instruction_costs/<isa>.toml``.

Counts the instructions of some hundred random layers a kernel on the emulated core, and solves for
what one turn of each loop takes (non-negative least squares of relative errors).

    python benchmarks/calibrate_instruction_costs.py scalar|dsp|mve
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from counted_layers import counted  # noqa: E402

from edgeprune.firmware import costs, kernels  # noqa: E402

LAYERS = 200
CORES = {"scalar": "dsp", "dsp": "dsp", "mve": "mve"}
"""Which core counts an ISA's kernels."""


def solved(layers):
    """Instructions of one turn of each loop, and relative errors."""
    names = sorted({name for layer in layers for name in layer.loops})
    turns = np.array([[layer.loops.get(name, 0.0) for name in names] for layer in layers])
    counts = np.array([layer.instructions for layer in layers], float)
    found, _ = nnls(turns / counts[:, None], np.ones(len(counts)))
    errors = turns @ found / counts - 1
    return {name: cost for name, cost in zip(names, found, strict=True) if cost > 0}, errors


def main():
    """Writes one table."""
    isa = sys.argv[1]
    lines = [
        "# Instructions of one turn of each loop of a kernel, by operator and pattern.",
        f"# Fitted by: python benchmarks/calibrate_instruction_costs.py {isa}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            for pattern in kernels.patterns_of(op, isa):
                layers = counted(Path(folder), CORES[isa], isa, op, pattern, range(LAYERS))
                found, errors = solved(layers)
                lines += ["", f"[{op}.{pattern}]"]
                lines += [f"{name} = {cost:.2f}" for name, cost in found.items()]
                worst = np.abs(errors).max()
                print(f"{isa} {op} {pattern}: {len(layers)} layers, off by {worst:.1%} at most")
    path = Path(costs.__file__).parent / "instruction_costs" / f"{isa}.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
