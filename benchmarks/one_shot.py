"""One-shot pruning from 512 unlabelled calibration images: second order against simple criteria.

Every convolution and dense layer is pruned to the same sparsity, nothing is trained. Prints top-1
on the test images: the mean over three draws of the calibration images, and each, as pruned and
after the recovery (batch normalization measured anew, biases corrected) that every method gets
alike. ``taylor`` alone sees labels. Networks: MLPerf Tiny's ResNet-8 (Keras 2, CIFAR-10), LeNet-5
(MNIST) and a separable network (CIFAR-10), both of Keras 3 and trained here first. Last come time
and memory for a network of 2 M parameters. Finished runs are kept in FOLDER and not done again.

    python benchmarks/one_shot.py FOLDER [resnet8] [lenet5] [separable] [time] [--draws 3]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import SHARED, decoded

from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning.one_shot import one_shot
from edgeprune.pruning.one_shot.recovery import re_estimate_batch_norm
from edgeprune.recipe.prune_table import RECOVERIES
from edgeprune.training.capture import Calibration

METHODS = ("random", "batch_norm_scale", "magnitude", "wanda", "taylor", "second_order")
SPARSITIES = (0.5, 0.6, 0.7, 0.8)
SAMPLES = 512
THREADS = 2
EPOCHS = {"separable": 6, "lenet5": 2}
PARTS = ("resnet8", "lenet5", "separable", "time")


def main() -> None:
    """Runs the parts that are named, or all, each in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", default=PARTS)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--sparsities", nargs="+", type=float, default=SPARSITIES)
    options = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit("the trained model and CIFAR-10 are not at hand: nothing measured")
    if len(options.parts) > 1:
        threads = {f"{library}_NUM_THREADS": str(THREADS) for library in ("OPENBLAS", "OMP")}
        for part in options.parts:
            rest = [word for word in sys.argv[2:] if word not in options.parts]
            one = [sys.executable, __file__, options.folder, part, *rest]
            subprocess.run(one, check=True, env=os.environ | threads)
        return
    tf = import_tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    options.folder.mkdir(parents=True, exist_ok=True)
    images = options.folder / "cifar10.npz"
    if not images.exists():
        decoded(SHARED / "data" / "cifar10.npz", images)
    data = dict(np.load(images))
    if options.parts[0] == "lenet5":
        data = digits()
    kept = Kept(options.folder / f"{options.parts[0]}.json")
    if options.parts[0] == "resnet8":
        path = SHARED / "models" / "pretrainedResnet.h5"
        with quiet():
            model = import_keras("tf_keras").models.load_model(path, compile=False)
        table("resnet8", model, data, kept, options)
    elif options.parts[0] in NETS:
        name = options.parts[0]
        table(name, trained(name, data, options.folder), data, kept, options)
    else:
        timing(data)


def digits() -> dict[str, Any]:
    """20,000 training and all test images of MNIST, ``(n, 28, 28, 1)``."""
    found = dict(np.load(SHARED / "data" / "mnist.npz"))
    arrays = {name: found[name][:20_000] for name in found}
    return {name: a[..., None] if name.startswith("x") else a for name, a in arrays.items()}


class Kept:
    """Finished runs by name, in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: dict[str, list[float]] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, name: str, row: list[float]) -> None:
        """Keeps a run."""
        self.rows[name] = row
        self._path.write_text(json.dumps(self.rows, indent=1))


def table(
    name: str, model: Any, data: dict[str, Any], kept: Kept, options: argparse.Namespace
) -> None:
    """Prints a line per sparsity and method."""
    dense = model.get_weights()
    print(f"{name}: {model.count_params():,} parameters, dense {top_1(model, data):.2f} %", end="")
    re_estimate_batch_norm(model, drawn(data, 0).x)
    print(f", with batch normalization measured anew {top_1(model, data):.2f} %", flush=True)
    for sparsity in options.sparsities:
        for method in options.methods:
            scores: dict[bool, list[float]] = {True: [], False: []}
            seconds = []
            for seed in range(options.draws):
                for recovery in ((), RECOVERIES):
                    key = f"{sparsity} {method} {seed} {'+'.join(recovery)}"
                    if key not in kept.rows:
                        model.set_weights(dense)
                        started = time.perf_counter()
                        prune(model, method, sparsity, recovery, data, seed)
                        took_s = time.perf_counter() - started
                        kept.add(key, [top_1(model, data), took_s])
                    score, took_s = kept.rows[key]
                    scores[bool(recovery)].append(score)
                    seconds.append(took_s)
            print(
                f"{name} {sparsity:.0%} {method:16} plain {shown(scores[False])}   "
                f"recovered {shown(scores[True])}   {np.median(seconds):.0f} s",
                flush=True,
            )
    model.set_weights(dense)


def prune(
    model: Any,
    method: str,
    sparsity: float,
    recovery: tuple[str, ...],
    data: dict[str, Any],
    seed: int,
) -> None:
    """Prunes in place with the draw of images that belongs to ``seed``."""
    calibration = drawn(data, seed)
    weights = prunable_weights(model, "all")
    one_shot(
        model,
        weights,
        calibration,
        criterion=method,
        sparsity=sparsity,
        recovery=recovery,
        seed=seed,
    )


def drawn(data: dict[str, Any], seed: int) -> Calibration:
    """Training images and their labels."""
    chosen = np.random.default_rng(seed).permutation(len(data["x_train"]))[:SAMPLES]
    return Calibration(
        data["x_train"][chosen].astype(np.float32), data["y_train"][chosen].astype(np.int64)
    )


def shown(scores: list[float]) -> str:
    """Mean and every draw."""
    return f"{np.mean(scores):5.2f} ({', '.join(f'{score:.2f}' for score in scores)})"


def top_1(model: Any, data: dict[str, Any]) -> float:
    """In percent."""
    answers = model.predict(data["x_test"].astype(np.float32), batch_size=250, verbose=0)
    return 100 * float((answers.argmax(axis=1) == data["y_test"]).mean())


def separable() -> Any:
    """Depthwise and pointwise convolutions with batch normalization, about 130,000 parameters."""
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = layers.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(32, 3, 2, "same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    for channels, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        x = layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(channels, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs)


def lenet5() -> Any:
    """430,000 parameters, no batch normalization. Source: LeCun et al. 1998, Caffe's variant."""
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(20, 5),
            layers.MaxPooling2D(),
            layers.Conv2D(50, 5),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(500, activation="relu"),
            layers.Dense(10),
        ]
    )


NETS = {"separable": separable, "lenet5": lenet5}


def trained(name: str, data: dict[str, Any], folder: Path) -> Any:
    """Trained on the 20,000 images for a few epochs, or as kept in the folder."""
    keras = import_keras("keras")
    model = NETS[name]()
    path = folder / f"{name}.weights.h5"
    if path.exists():
        model.load_weights(path)
        return model
    steps = EPOCHS[name] * (len(data["x_train"]) // 128)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(data["x_train"], data["y_train"], batch_size=128, epochs=EPOCHS[name], verbose=0)
    with quiet():
        model.save_weights(path)
    return model


def timing(data: dict[str, Any]) -> None:
    """A stock MobileNet of 2 M random parameters; time hardly depends on their values."""
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    with quiet():
        model = keras.applications.MobileNet(
            input_shape=(32, 32, 3), alpha=0.8, weights=None, classes=10
        )
    scaled = {**data, "x_train": data["x_train"][:SAMPLES] / np.float32(127.5) - 1}
    started, used = time.perf_counter(), time.process_time()
    prune(model, "second_order", 0.6, RECOVERIES, scaled, 0)
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - used
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"mobilenet: {model.count_params():,} parameters, second_order at 60 % with recovery: "
        f"{wall_s:.0f} s, {cpu_s:.0f} s of processor time on {THREADS} threads, peak memory of "
        f"the process {peak_mib:.0f} MiB"
    )


if __name__ == "__main__":
    main()
