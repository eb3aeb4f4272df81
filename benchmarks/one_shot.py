"""One-shot pruning from 512 unlabelled calibration images: second order against simple criteria.

Every convolution and dense layer is pruned to the same sparsity, nothing is trained. Prints top-1
on the 2,000 CIFAR-10 test images for each draw of the calibration images, as pruned and after the
recovery (batch normalization measured anew, biases corrected) that every method gets alike.
``taylor`` alone sees labels. Networks: MLPerf Tiny's ResNet-8 (Keras 2), and a separable network
(Keras 3) that is trained here first. At last, time and memory for a network of 2 M parameters.

    OPENBLAS_NUM_THREADS=2 python benchmarks/one_shot.py [resnet8] [separable] [time]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import SHARED, decoded

from edgeprune.keras_flavours import import_keras, import_tensorflow, quiet
from edgeprune.prune.capture import Calibration
from edgeprune.prune.keras_model import prunable_weights
from edgeprune.prune.one_shot import one_shot
from edgeprune.prune.recovery import RECOVERIES

METHODS = ("random", "magnitude", "wanda", "taylor", "second_order")
SPARSITIES = (0.5, 0.6, 0.7, 0.8)
SEEDS = (0, 1, 2)
SAMPLES = 512
THREADS = 2
EPOCHS = 6


def main() -> None:
    """Runs the parts that are named, or all."""
    if not SHARED.is_dir():
        sys.exit("the trained model and CIFAR-10 are not at hand: nothing measured")
    tf = import_tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    parts = sys.argv[1:] or ["resnet8", "separable", "time"]
    with tempfile.TemporaryDirectory() as folder:
        decoded(SHARED / "data" / "cifar10.npz", Path(folder) / "cifar10.npz")
        data = dict(np.load(Path(folder) / "cifar10.npz"))
    if "resnet8" in parts:
        path = SHARED / "models" / "pretrainedResnet.h5"
        with quiet():
            model = import_keras("tf_keras").models.load_model(path, compile=False)
        table("resnet8", model, data)
    if "separable" in parts:
        table("separable", trained(separable(), data), data)
    if "time" in parts:
        timing(data)


def table(name: str, model: Any, data: dict[str, Any]) -> None:
    """Prints a line per sparsity and method."""
    dense = model.get_weights()
    print(f"{name}: {model.count_params():,} parameters, dense {top_1(model, data):.2f} %")
    for sparsity in SPARSITIES:
        for method in METHODS:
            scores, seconds = [], []
            for seed in SEEDS:
                for recovery in ((), RECOVERIES):
                    model.set_weights(dense)
                    started = time.perf_counter()
                    prune(model, method, sparsity, recovery, data, seed)
                    seconds.append(time.perf_counter() - started)
                    scores.append(top_1(model, data))
            plain, recovered = scores[::2], scores[1::2]
            print(
                f"{name} {sparsity:.0%} {method:12} plain {shown(plain)}   "
                f"recovered {shown(recovered)}   {np.median(seconds):.0f} s",
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
    drawn = np.random.default_rng(seed).permutation(len(data["x_train"]))[:SAMPLES]
    calibration = Calibration(
        data["x_train"][drawn].astype(np.float32), data["y_train"][drawn].astype(np.int64)
    )
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


def trained(model: Any, data: dict[str, Any]) -> Any:
    """Trained on the 20,000 images for a few epochs."""
    keras = import_keras("keras")
    steps = EPOCHS * (len(data["x_train"]) // 64)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(data["x_train"], data["y_train"], batch_size=64, epochs=EPOCHS, verbose=0)
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
