"""What a .epz container saves: bytes beside gzip and xz, and seconds to pack and unpack.

    python benchmarks/container_size.py [FILE...]

Without files: the models in ``shared/models`` beside the repository, where there are any, and two
synthetic networks in the shapes of Deep Compression's LeNet-300-100 and LeNet-5, pruned as there.
Their zeros and values are drawn, so they say how the coders do, not what training can reach: a
third of the inputs is dead, as the rim of MNIST's images is; what is left is normal.
The bound is the entropy of zeros and values, each weight of a layer by itself, without any header:
no code of gaps and values can be smaller on average. The adaptive coder may be, for it learns
which inputs matter.
"""

from __future__ import annotations

import gzip
import lzma
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from container_files import dense_net, shared_models  # noqa: E402 - found through the line above

from edgeprune.models.epz import pack, unpack  # noqa: E402

Layers = list[NDArray[np.float32]]

LENETS = {
    "LeNet-300-100": (((300, 784), 0.08), ((100, 300), 0.09), ((10, 100), 0.26)),
    "LeNet-5": (((20, 25), 0.66), ((50, 500), 0.12), ((500, 800), 0.08), ((10, 500), 0.19)),
}
"""Shapes (out, in), convolutions as matrices, and shares kept.

Source: Han, Pool, Tran, Dally, "Learning both weights and connections", 2015, tables 3 and 4.
"""


def synthetic(name: str, values: int) -> Layers:
    """Weights of which the largest are left, at so many distinct values."""
    rng = np.random.default_rng(0)
    layers = []
    for shape, kept in LENETS[name]:
        importance = np.maximum(0, rng.uniform(-0.5, 1, shape[1]))
        weights = rng.normal(size=shape) * importance
        weights[np.abs(weights) < np.quantile(np.abs(weights), 1 - kept)] = 0
        low, high = weights.min(), weights.max()
        codebook = np.linspace(low, high, values)
        near = np.rint((weights - low) / (high - low) * (values - 1)).astype(int)
        layers.append(np.where(weights == 0, 0, codebook[near]).astype(np.float32))
    return layers


def bound_bytes(layers: Layers) -> int:
    """Entropy of every layer's weights, each by itself."""
    bits = 0.0
    for weights in layers:
        counts = np.unique(weights, return_counts=True)[1]
        bits -= float((counts * np.log2(counts / weights.size)).sum())
    return round(bits / 8)


def line(name: str, content: bytes, bound: str = "") -> None:
    """Measures one file and prints its row."""
    begun_s = time.perf_counter()
    packed = pack(content)
    packed_s = time.perf_counter()
    if unpack(packed) != content:
        raise SystemExit(f"{name}: comes out changed")
    unpacked_s = time.perf_counter()
    sizes = (
        len(content),
        len(gzip.compress(content, 9)),
        len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)),
    )
    cells = [f"{size:,}" for size in (*sizes, len(packed))]
    cells += [bound, f"{len(content) / len(packed):.1f}"]
    cells += [f"{packed_s - begun_s:.2f}", f"{unpacked_s - packed_s:.2f}"]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Prints the table."""
    print("| file | plain | gzip -9 | xz -9e | epz | bound | ratio | pack s | unpack s |")
    print("| --- |" + " ---: |" * 8)
    files = [Path(argument) for argument in sys.argv[1:]]
    for path in files or shared_models():
        line(path.name, path.read_bytes())
    if files:
        return
    for name in LENETS:
        for values in (16, 32, 64):
            layers = synthetic(name, values)
            line(f"{name}, {values} values", dense_net(*layers), f"{bound_bytes(layers):,}")


if __name__ == "__main__":
    main()
