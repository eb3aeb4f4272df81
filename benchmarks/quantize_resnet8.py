"""What each way to store ResNet-8's weights costs after 80 % sparsity (Keras 2.4, CIFAR-10).

Prunes every convolution once with fine-tuning, then clusters, trains with rounding and quantizes
copies of that model. Prints top-1 of each file on the same 2,000 test images, the difference from
the pruned float model in points, and the zeros of its weights. The error of a difference is about
1 point on so few images; how many images are answered otherwise is told beside it.

    python benchmarks/quantize_resnet8.py [EPOCHS]
"""

import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np
from accuracy_resnet8 import SHARED, decoded

from edgeprune import graph
from edgeprune.artifacts import Array, Dataset, Loaded
from edgeprune.cluster import cluster
from edgeprune.convert import convert
from edgeprune.load import load
from edgeprune.prune import PruneSpec, prune
from edgeprune.qat import qat
from edgeprune.quantize import quantize
from edgeprune.recipe import ClusterTable, QuantizeTable
from edgeprune.verify import HostModel, as_input, check_kept

CALIBRATION = 128


def answers(tflite: bytes, x: Array) -> Array:
    """The class that a file gives each image."""
    model = HostModel(tflite, reference=False)
    entry = model.input_tensors[0]
    return np.array([model([as_input(row[None], entry)])[0].argmax() for row in x])


def printed(name: str, tflite: bytes, data: Dataset, float_answers: Array | None) -> Array:
    """Prints one line; returns the answers."""
    found = answers(tflite, data.x_test)
    top1 = np.mean(found == data.y_test)
    line = f"{name:34} top-1 {top1:.4f}  zeros {graph.weight_sparsity(tflite):6.2%}"
    if float_answers is not None:
        before = np.mean(float_answers == data.y_test)
        line += f"  {100 * (top1 - before):+.2f} points, {np.sum(found != float_answers)} differ"
    print(line, flush=True)
    return found


def quantized(name: str, model: Loaded, mode: str, data: Dataset, before: Array) -> None:
    """Quantizes a float model, checks that its zeros are kept, and prints a line."""
    tflite = convert(model)
    x = data.x_train if data.x_train is not None else data.x_test
    done = quantize(tflite, mode, [[row[None]] for row in x[:CALIBRATION]]).tflite
    check_kept("quantize", tflite, done, blocks=False)
    printed(name, done, data, before)


def main() -> None:
    """Prints one line a way."""
    if not SHARED.is_dir():
        sys.exit("the trained model and CIFAR-10 are not at hand: nothing measured")
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    file = Path(tempfile.mkdtemp()) / "cifar10.npz"
    decoded(SHARED / "data" / "cifar10.npz", file)
    raw = np.load(file)
    x_train, x_test = (raw[f"x_{part}"].astype(np.float32) for part in ("train", "test"))
    data = Dataset(x_train, raw["y_train"].astype(int), x_test, raw["y_test"].astype(int), "cifar")
    model = load(SHARED / "models" / "pretrainedResnet.h5")
    printed("dense, float", convert(model), data, None)
    spec = PruneSpec(sparsity=0.8, layers="all", epochs=epochs, control=False)
    pruned = prune(model, spec, data, lambda line: print("  " + line, flush=True)).model
    before = printed("80 % sparse, float", convert(pruned), data, None)
    for mode in ("int8-weights", "int16x8", "int8"):
        quantized(f"{mode} after training", pruned, mode, data, before)
    table = QuantizeTable("int8", qat_epochs=max(1, epochs // 2))
    tuned = qat(pruned, table, data, lambda line: print("  " + line, flush=True), {})
    quantized(f"int8, {table.qat_epochs} epochs with rounding", tuned.model, "int8", data, before)
    for trained in (0, max(1, epochs // 2)):
        done = cluster(pruned, ClusterTable(16, epochs=trained), data)
        printed(f"16 clusters, {trained} epochs", convert(done.model), data, before)
        quantized(f"16 clusters, {trained} epochs, int8", done.model, "int8", data, before)
    books = {one.name: one.distinct for one in done.tensors}
    both = qat(dataclasses.replace(done.model), table, data, lambda line: None, books)
    quantized("16 clusters, int8 with rounding", both.model, "int8", data, before)


if __name__ == "__main__":
    main()
