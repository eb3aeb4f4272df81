"""A network with one fragile layer: what int8 costs, and what the mixed file that is chosen costs.

A small convolutional network for MNIST is trained. Then each channel between two of its layers
gets a scale of its own, drawn over three powers of ten, that the first layer multiplies in and the
second divides out again, as networks with batch normalization end up with: in float32 nothing
changes, in int8 the small channels are gone. Layers are chosen on one half of the test images and
scored on the other.

    python benchmarks/fragile_layer.py MNIST.npz [--seeds 3] [--powers 3] [--limit 0.005]

MNIST.npz holds x_train, y_train, x_test and y_test, images as 28 x 28 bytes.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.api.pruning import loaded
from edgeprune.convert import convert
from edgeprune.models.keras.flavours import import_keras
from edgeprune.quantize import quantize
from edgeprune.quantize.fragile import Score, keep_fragile
from edgeprune.verify import answers_of

TRAINED, EPOCHS, CALIBRATED = 12_000, 5, 128
CHANNELS = 24


def main() -> None:
    """Prints a row a seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--powers", type=float, default=3.0)
    parser.add_argument("--limit", type=float, default=0.005)
    parser.add_argument("--images", type=int, default=10_000, help="test images, for both halves")
    words = parser.parse_args()
    data = dict(np.load(words.data))
    x, y = _images(data["x_train"][:TRAINED]), data["y_train"][:TRAINED]
    x_test, y_test = _images(data["x_test"][: words.images]), data["y_test"][: words.images]
    samples = [[x[i : i + 1]] for i in np.linspace(0, len(x) - 1, CALIBRATED).astype(int)]
    choose, judge = (_scorer(x_test[k::2], y_test[k::2]) for k in (0, 1))
    print("| seed | float32 | int8 | mixed | layers in float | scorings | bytes |")
    print("| --- | ---: | ---: | ---: | --- | ---: | --- |")
    for seed in range(words.seeds):
        tflite = _network(x, y, seed, words.powers)
        kept = keep_fragile(tflite, samples, choose, words.limit)
        plain = quantize(tflite, "int8", samples).tflite
        mixed = quantize(tflite, "int8", samples, layers=kept.entries).tflite
        scores = " | ".join(f"{judge(file):.2%}" for file in (tflite, plain, mixed))
        names = ", ".join(f"{one.layer} ({one.mode})" for one in kept.entries) or kept.why
        sizes = " / ".join(f"{len(file):,}" for file in (tflite, plain, mixed))
        print(f"| {seed} | {scores} | {names} | {kept.scorings} | {sizes} |")


def _images(rows: Any) -> Any:
    return (rows[..., None] / 255.0).astype(np.float32)


def _scorer(x: Any, y: Any) -> Score:
    def score(file: bytes) -> float:
        return float((answers_of(file)(x)[0].argmax(axis=1) == y).mean())

    return score


def _network(x: Any, y: Any, seed: int, powers: float) -> bytes:
    keras = import_keras("keras")
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, 2, "same", activation="relu", name="stem"),
            layers.Conv2D(CHANNELS, 3, 2, "same", activation="relu", name="wide"),
            layers.DepthwiseConv2D(3, 1, "same", activation="relu", name="spread"),
            layers.Conv2D(32, 1, activation="relu", name="mix"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(10, name="head"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    model.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=0)
    scale = 10 ** np.random.default_rng(seed).uniform(0, powers, CHANNELS).astype(np.float32)
    first, second = model.get_layer("wide"), model.get_layer("spread")
    weights, bias = first.get_weights()
    first.set_weights([weights * scale, bias * scale])
    weights, bias = second.get_weights()
    second.set_weights([weights / scale[:, None], bias])
    return convert(loaded(model))


if __name__ == "__main__":
    main()
