"""How long encoding weights takes, and how much memory, at 5, 25 and 100 million of them.

Each network is one sparse cluster of pointwise layers of 1000 x 1000 weights, 90 % of them zero,
unstructured or in blocks of two output channels. Each line is a process of its own: CPU seconds to
parse the file, to encode it, and of the latter to analyse the result for the kernels that will run;
and the peak memory of the process, the file itself included.

    python benchmarks/encode_speed.py [MILLIONS ...]
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from nets import Net

from edgeprune import graph
from edgeprune.board import load_board
from edgeprune.explain import explain
from edgeprune.sparsify import sparsify

CHANNELS = 1000
SPARSITY = 0.9


def network(layers: int, storage: str, block: int) -> bytes:
    """A cluster with ``layers`` million weights."""
    net = Net()
    x = net.conv(net.pad(net.input(1, 16, 16, 3)), CHANNELS, kernel=3, stride=2, padding="VALID")
    for _ in range(layers):
        shape = (CHANNELS // block, 1, CHANNELS)
        weights = net.rng.standard_normal(shape, dtype=np.float32)
        weights *= net.rng.random(shape, dtype=np.float32) >= SPARSITY
        weights = np.repeat(weights, block, axis=1).reshape(CHANNELS, 1, 1, CHANNELS)
        x = net.op(
            "CONV_2D",
            [x, net.stored(weights, storage), net.const(np.zeros(CHANNELS, np.float32))],
            net.shape(x),
            "Conv2DOptions",
            padding=1,
            strideH=1,
            strideW=1,
            dilationHFactor=1,
            dilationWFactor=1,
        )
    return net.build(net.mean(x))


def measure(file: str) -> None:
    """Prints a line about one file; in a process that did nothing else before."""
    cpu = load_board("rpi4").cpu
    dense = Path(file).read_bytes()
    start = time.process_time()
    graph.read(dense)
    parsed = time.process_time()
    found = sparsify(dense, cpu)
    encoded = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    explain(found.tflite, cpu)
    explained = time.process_time()
    print(
        f"{len(dense) / 1e6:6.1f} to {len(found.tflite) / 1e6:5.1f} MB, {len(found.expected)} "
        f"layers sparse, parse {parsed - start:5.2f} s, encode {encoded - parsed:5.2f} s (of which "
        f"the last analysis {explained - encoded:5.2f} s), peak memory {peak:5.0f} MB",
        flush=True,
    )


def main() -> None:
    """Prints a line for each size, storage and block."""
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
        return
    if sys.argv[1:2] == ["--make"]:
        file, layers, storage, block = sys.argv[2:]
        Path(file).write_bytes(network(int(layers), storage, int(block)))
        return
    for millions in sys.argv[1:] or ("5", "25", "100"):
        for storage, block in (("float32", 1), ("float32", 2), ("int8", 1)):
            with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
                make = [sys.executable, __file__, "--make", file.name, millions, storage]
                subprocess.run([*make, str(block)], check=True, timeout=600)
                print(f"{millions:>4} M weights, {storage:8} blocks of {block}: ", end="")
                sys.stdout.flush()
                argv = [sys.executable, __file__, "--measure", file.name]
                subprocess.run(argv, check=True, timeout=600)


if __name__ == "__main__":
    main()
