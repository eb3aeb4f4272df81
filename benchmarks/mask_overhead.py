"""What masks cost a training step: dense, edgeprune, and tensorflow-model-optimization (tfmot).

Masks are made anew every 100 steps, or every step, and the time of that is counted. Short blocks of
steps of all kinds take turns, so that a busy machine slows all of them; a round has as many of them
as the masks need to be made anew. The medians of the rounds' ratios to the dense steps of the same
round are printed, of wall time and of processor time over all threads. tfmot knows Keras 2 only.

    python benchmarks/mask_overhead.py [--flavour tf_keras] [--nets mlp] [--every 100] [--rounds 9]
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # tfmot needs it

import numpy as np

from edgeprune.api.pruning import masks as masks_of
from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.pruning.masks.ramp import cubic_sparsity

BATCH = 32
STEPS = 10
"""Of a block."""

WARM_UP = 3


def resnet8(keras: Any) -> Any:
    """MLPerf Tiny's image classifier, (32, 32, 3). Source: MLCommons, tiny benchmark."""
    layers = keras.layers

    def convolved(x: Any, filters: int, size: int, stride: int) -> Any:
        x = layers.Conv2D(filters, size, strides=stride, padding="same")(x)
        return layers.BatchNormalization()(x)

    inputs = layers.Input((32, 32, 3))
    x = layers.ReLU()(convolved(inputs, 16, 3, 1))
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = layers.ReLU()(convolved(x, filters, 3, stride))
        y = convolved(y, filters, 3, 1)
        if stride > 1:
            x = layers.Conv2D(filters, 1, strides=stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def mlp(keras: Any) -> Any:
    """784-1024-1024-10."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((784,)),
            layers.Dense(1024, activation="relu"),
            layers.Dense(1024, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def stepper(keras: Any, model: Any, x: Any, y: Any) -> Callable[[], None]:
    """One compiled training step, without what ``fit`` does around it."""
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return lambda: model.train_on_batch(x, y)


def ours(keras: Any, make: Any, sparsity: float, every: int, batch: Any) -> Callable[[int], None]:
    """A block of steps with edgeprune's masks."""
    model = make(keras)
    masks = masks_of(model, sparsity=sparsity, layers="all")
    masks.update()
    masks.__enter__()  # for as long as the process lives
    step = stepper(keras, model, *batch)
    done = 0

    def block(steps: int) -> None:
        nonlocal done
        for _ in range(steps):
            if done % every == 0:
                masks.update(cubic_sparsity(min(done, 5000), 5001, 1.0))
            step()
            done += 1

    return block


def theirs(keras: Any, make: Any, sparsity: float, every: int, batch: Any) -> Callable[[int], None]:
    """A block of steps of a model that tfmot wrapped."""
    from tensorflow_model_optimization.sparsity import keras as tfmot

    schedule = tfmot.PolynomialDecay(0.0, sparsity, 0, 10**6, frequency=every)
    with quiet():
        model = tfmot.prune_low_magnitude(make(keras), pruning_schedule=schedule)
    step = stepper(keras, model, *batch)
    callback = tfmot.UpdatePruningStep()
    callback.set_model(model)
    callback.on_train_begin()

    def block(steps: int) -> None:
        for k in range(steps):
            callback.on_train_batch_begin(k)
            step()
        callback.on_epoch_end(0)

    return block


def timed(block: Callable[[int], None], steps: int) -> tuple[float, float]:
    """Milliseconds a step: wall, and processor time."""
    wall, work = time.perf_counter(), time.process_time()
    block(steps)
    return (
        1e3 * (time.perf_counter() - wall) / steps,
        1e3 * (time.process_time() - work) / steps,
    )


def measure(
    keras: Any, make: Any, shape: tuple[int, ...], every: int, options: argparse.Namespace
) -> None:
    """Prints a line per kind of one network."""
    tf = import_tensorflow()
    rng = np.random.default_rng(0)
    batch = (
        tf.constant(rng.normal(size=(BATCH, *shape)).astype(np.float32)),
        tf.constant(rng.integers(0, 10, BATCH)),
    )
    dense_step = stepper(keras, make(keras), *batch)
    kinds: dict[str, Callable[[int], None]] = {}
    kinds["edgeprune"] = ours(keras, make, options.sparsity, every, batch)
    if options.flavour == "tf_keras":
        kinds["tfmot"] = theirs(keras, make, options.sparsity, every, batch)

    def dense(steps: int) -> None:
        for _ in range(steps):
            dense_step()

    kinds = {"dense": dense, **kinds}
    for block in kinds.values():
        block(WARM_UP)
    rounds = []
    for _ in range(options.rounds):
        found = {name: np.zeros(2) for name in kinds}
        for _ in range(max(1, every // STEPS)):
            for name, block in kinds.items():
                found[name] += timed(block, STEPS)
        rounds.append(found)
    count = max(1, every // STEPS)
    wall, work = np.median([one["dense"] / count for one in rounds], axis=0)
    print(
        f"{make.__name__}, {options.flavour}: dense {wall:.2f} ms a step, {work:.2f} ms of "
        "processor time",
        flush=True,
    )
    for name in list(kinds)[1:]:
        wall, work = np.median([one[name] / one["dense"] for one in rounds], axis=0)
        print(
            f"    {name:9} masks every {every:3}: {wall:6.3f} x wall {work:6.3f} x processor",
            flush=True,
        )


def main() -> None:
    """Both networks, in one Keras."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--flavour", choices=("tf_keras", "keras"), default="tf_keras")
    parser.add_argument("--nets", nargs="+", default=["resnet8", "mlp"])
    parser.add_argument("--every", nargs="+", type=int, default=[100, 1])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sparsity", type=float, default=0.8)
    options = parser.parse_args()
    keras = import_keras(options.flavour)
    for make, shape in ((resnet8, (32, 32, 3)), (mlp, (784,))):
        if make.__name__ in options.nets:
            for every in options.every:
                measure(keras, make, shape, every, options)


if __name__ == "__main__":
    main()
