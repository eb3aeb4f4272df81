"""Does a rewritten model compute the same? Trained models, 1,000 inputs, host's built-in kernels.

MLPerf Tiny's ResNet-8 (CIFAR-10 test images) and keyword net (random inputs of the strength of its
features). Each as it was trained, and with 90 % of its pointwise and dense weights zero. Passes are
applied whether or not they pay: with dense kernels priced a hundredfold, every cluster that can be
made is made.

    python benchmarks/rewrite_exactness.py [INPUTS]
"""

import dataclasses
import io
import itertools
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from sweep import priced

from edgeprune.artifacts.compression import Samples
from edgeprune.devices.boards import load_board
from edgeprune.load import load
from edgeprune.models.tflite import graph
from edgeprune.pipeline import float_tflite
from edgeprune.prediction import explain
from edgeprune.prediction.cost import cost_table
from edgeprune.pruning import prune
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.rewrite import apply_passes
from edgeprune.training.context import StageContext
from edgeprune.verify import reference_outputs

SHARED = Path(__file__).resolve().parents[2] / "shared"


def images(count: int) -> Samples:
    """CIFAR-10's test images as float32 in [0, 255]."""
    packed = np.load(SHARED / "data" / "cifar10.npz")
    jpegs, offsets = packed["jpeg_test"], packed["offset_test"][: count + 1]
    pairs = itertools.pairwise(offsets)
    decoded = [Image.open(io.BytesIO(jpegs[a:b].tobytes())) for a, b in pairs]
    return [[np.asarray(image, np.float32)[None]] for image in decoded]


def features(count: int) -> Samples:
    """Random inputs of shape (1, 49, 10, 1)."""
    rng = np.random.default_rng(0)
    return [[rng.normal(0, 3, (1, 49, 10, 1)).astype(np.float32)] for _ in range(count)]


def gap(before: bytes, after: bytes, samples: Samples) -> float:
    """Largest difference as a share of the largest output."""
    theirs = np.stack([row[0] for row in reference_outputs(before, samples)])
    ours = np.stack([row[0] for row in reference_outputs(after, samples)])
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def main() -> None:
    """Prints a line a model."""
    if not SHARED.is_dir():
        sys.exit("the trained models are not at hand: nothing measured")
    count = int(sys.argv[1]) if sys.argv[1:] else 1000
    cpu = load_board("rpi4").cpu
    table = cost_table(cpu)
    if table is None:
        sys.exit("there is no cost table for the core")
    for name, make in (("pretrainedResnet.h5", images), ("kws_ref_model", features)):
        samples = make(count)
        path = SHARED / "models" / name
        loaded = load(path, allow_code=False)
        loaded = dataclasses.replace(
            loaded, keras=None, flavour=None, tflite=float_tflite(path, False)
        )
        for sparsity in (0.0, 0.9):
            spec = PruneTable(sparsity=sparsity, pattern="unstructured")
            before = prune(loaded, spec, StageContext()).model.tflite or b""
            model = graph.read(before)
            notes = apply_passes(model, cpu, priced(table))
            after = graph.write(model)
            sparse = len(explain(after, cpu, assume_hint=True).sparse)
            passes = ", ".join(sorted({note.rewrite for note in notes if note.done}))
            print(
                f"{name:20} {sparsity:4.0%} zeros: {gap(before, after, samples):.1e} of the "
                f"largest output on {len(samples)} inputs, {sparse} sparse layers, {passes}",
                flush=True,
            )


if __name__ == "__main__":
    main()
