"""How long rewriting and encoding take, and how much memory, at 5, 25 and 100 million weights.

Two networks, 90 % of their pointwise weights zero, unstructured or in blocks of two output
channels: one is a single sparse cluster of layers of 1000 x 1000 weights; the other is MobileNet as
Keras builds it, with its channels multiplied until it has as many weights, whose padding must be
turned first. Each line is a process of its own: CPU seconds to parse the file, to rewrite it, and
to encode the result; and the peak memory of the process, the file itself included.

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

from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.models.tflite import graph
from edgeprune.rewrite import rewrite
from edgeprune.sparsify import sparsify

CHANNELS = 1000
SPARSITY = 0.9
MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5)
MOBILENET += ((1024, 2), (1024, 1))
"""Channels and stride of each separable block. Source: Howard et al. 2017, MobileNets, table 1."""

MOBILENET_WEIGHTS = 3.14e6
"""Pointwise weights of the blocks above."""


def cluster(millions: int, block: int) -> bytes:
    """A cluster with so many million weights."""
    net = Net()
    x = net.conv(net.pad(net.input(1, 16, 16, 3)), CHANNELS, kernel=3, stride=2, padding="VALID")
    for _ in range(millions):
        x = _pointwise(net, x, CHANNELS, block)
    return net.build(net.mean(x))


def mobilenet(millions: int, block: int) -> bytes:
    """MobileNet-224, widened to so many million weights."""
    wider = (millions * 1e6 / MOBILENET_WEIGHTS) ** 0.5
    net = Net()
    image = net.pad(net.input(1, 224, 224, 3), 0, 1)  # as Keras pads layers of stride 2
    x = net.conv(image, _wide(32, wider), 3, 2, "VALID")
    for channels, stride in MOBILENET:
        if stride == 2:
            x = net.depthwise(net.pad(x, 0, 1), 3, 2, "VALID")
        else:
            x = net.depthwise(x)
        x = _pointwise(net, x, _wide(channels, wider), block)
    return net.build(net.dense(net.mean(x), 10))


def _wide(channels: int, wider: float) -> int:
    return round(channels * wider / 8) * 8


def _pointwise(net, x, channels: int, block: int):
    inputs = net.shape(x)[3]
    shape = (channels // block, 1, inputs)
    weights = net.rng.standard_normal(shape, dtype=np.float32)
    weights *= net.rng.random(shape, dtype=np.float32) >= SPARSITY
    weights = np.repeat(weights, block, axis=1).reshape(channels, 1, 1, inputs)
    return net.op(
        "CONV_2D",
        [x, net.const(weights), net.const(np.zeros(channels, np.float32))],
        (*net.shape(x)[:3], channels),
        "Conv2DOptions",
        padding=1,
        strideH=1,
        strideW=1,
        dilationHFactor=1,
        dilationWFactor=1,
    )


NETWORKS = {"cluster": cluster, "mobilenet": mobilenet}


def measure(file: str) -> None:
    """Prints a line about one file; in a process that did nothing else before."""
    cpu = resolved_cpu(load_board("rpi4").cpu)
    dense = Path(file).read_bytes()
    start = time.process_time()
    graph.read(dense)
    parsed = time.process_time()
    rewritten = rewrite(dense, cpu)
    done = time.process_time()
    found = sparsify(rewritten.tflite, cpu)
    encoded = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"{len(dense) / 1e6:6.1f} to {len(found.tflite) / 1e6:5.1f} MB, {len(found.expected):3} "
        f"layers sparse, parse {parsed - start:5.2f} s, rewrite {done - parsed:5.2f} s, "
        f"encode {encoded - done:5.2f} s, peak memory {peak:5.0f} MB",
        flush=True,
    )


def main() -> None:
    """Prints a line for each size, network and block."""
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
        return
    if sys.argv[1:2] == ["--make"]:
        file, name, millions, block = sys.argv[2:]
        Path(file).write_bytes(NETWORKS[name](int(millions), int(block)))
        return
    for size in sys.argv[1:] or ("5", "25", "100"):
        for name, block in (("cluster", "1"), ("cluster", "2"), ("mobilenet", "1")):
            with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
                make = [sys.executable, __file__, "--make", file.name, name, size, block]
                subprocess.run(make, check=True, timeout=600)
                print(f"{size:>4} M weights, {name:9} blocks of {block}: ", end="", flush=True)
                argv = [sys.executable, __file__, "--measure", file.name]
                subprocess.run(argv, check=True, timeout=600)


if __name__ == "__main__":
    main()
