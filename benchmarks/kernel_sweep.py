"""Each of edgeprune's own kernels beside XNNPACK's dense int8, on thousands of random layers.

Those of this machine run under address and undefined-behaviour checks, those of Arm on an emulated
Cortex-A76. Prints how many layers of each kernel differ in any bit, and the first of them.

Beside is what XNNPACK computes on this machine. Where it uses AVX-512, a sum that leaves 32 bits
once scaled wraps, as in our kernel for AVX-512, and differs from all others, which saturate as
XNNPACK's for their own processors do: of the first 10,000 layers, that of seed 2356.

With --valgrind those of this machine run under valgrind instead, with --any-x86 those of every x86
processor, whose vectors plain C computes; with --damaged plans are damaged for so many seconds, and
have to be refused or to run within their memory.

    python benchmarks/kernel_sweep.py [--layers 10000] [--from 0] [--core cortex-a76 | --valgrind |
        --any-x86]
    python benchmarks/kernel_sweep.py --damaged 3600
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import kernel_rig
from int8_layers import random_layer

from edgeprune.models.tflite import conv_plan

BATCH = 500
SPARSITIES = (0.0, 0.3, 0.8, 0.95, 1.0)


def layers_of(seeds: range) -> list:
    """Layers that a plan can stand for, each with its case."""
    drawn = (
        random_layer(
            seed, conv_plan.OPERATORS[seed % 3 == 0], SPARSITIES[seed % 5], 4, large=seed % 7 == 0
        )
        for seed in seeds
    )
    cases = ((layer, kernel_rig.plan_and_inputs(layer)) for layer in drawn)
    return [(layer, case) for layer, case in cases if case is not None]


def main() -> None:
    """Prints a line for each kernel."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=10000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--core")
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("--any-x86", action="store_true")
    parser.add_argument("--damaged", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.damaged:
            drawn = [layer for layer, _ in layers_of(range(120))]
            counts = kernel_rig.fuzz_plans(folder, drawn, options.first, 1 << 62, options.damaged)
            print("{:,} plans damaged, {:,} of them taken, {:,} run".format(*counts))
            return
        if options.core:
            driver = kernel_rig.emulated_driver(folder, "aarch64", options.core)
        elif options.any_x86:
            driver = kernel_rig.any_x86_driver(folder)
        else:
            make = kernel_rig.valgrind_driver if options.valgrind else kernel_rig.host_driver
            driver = make(folder)
        different: dict[str, list[str]] = {kernel: [] for kernel in driver.kernels}
        count = 0
        for first in range(options.first, options.first + options.layers, BATCH):
            end = min(first + BATCH, options.first + options.layers)
            layers = layers_of(range(first, end))
            count += len(layers)
            expected = [kernel_rig.xnnpack_outputs(layer) for layer, _ in layers]
            for kernel in driver.kernels:
                found = driver.run(kernel, [case for _, case in layers], folder)
                different[kernel] += [
                    layer.text
                    for (layer, _), ours, right in zip(layers, found, expected, strict=True)
                    if isinstance(ours, str) or not np.array_equal(ours, right)
                ]
    for kernel, texts in different.items():
        print(f"{kernel:12} {len(texts)} of {count:,} layers differ", *texts[:1])


if __name__ == "__main__":
    main()
