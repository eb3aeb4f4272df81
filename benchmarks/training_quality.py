"""What chains of training steps cost in accuracy: tuned as it is, fewer channels, more zeros.

    python benchmarks/training_quality.py FOLDER NET [CHAIN ...] [--seed 0]

A chain is steps joined by ``+``, each ``kind:value:epochs:rate:distillation``. ``tune::10:2e-3:0``
trains the network as it is, ``channels:0.5:6:2e-3:0.9`` leaves half of the multiply-accumulates,
``prune:0.8:6:2e-3:0.9`` makes 80 % zeros. These are steps of a recipe: each begins with the weights
that the one before left, trains on all samples, and learns the answers of the network as it was
before anything was removed. Without a chain the rows that are there are printed.

Networks, trained by Keras itself and without other views of their images, which are mirrored and
moved in all steps:

- ``mobilenet``: 6 depthwise separable blocks, on 12,000 JPEG images of CIFAR-10.
- ``resnet8``: MLPerf Tiny's trained model, here with 20,000 of these. It has seen them before, as
  originals, so that the 2,000 test images alone say how good it is.
- ``lenet``: LeNet-5 on 20,000 digits of MNIST, which are neither mirrored nor moved.
- ``windows``: four convolutions in one dimension on 8,000 synthetic windows of three noisy sensors.

Zeros go by the allocation ``global``, in all layers.

Beside each row stands how far it is from the network of the same length that was only tuned, and in
brackets the standard error of that, which is of the samples and not of the seed.

Scored in float32 on all samples that nothing was trained on: 10,000 of ``mobilenet``, 2,000 of
``resnet8``, 10,000 of ``lenet``, 8,000 of ``windows``. What is done is kept in FOLDER, by its chain
and seed, and not trained again.
"""

import argparse
import itertools
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # twice as fast; sums differ by machine
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
from cifar10 import SHARED, decoded

from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded
from edgeprune.channels import count_macs
from edgeprune.console.quiet import quiet
from edgeprune.load import load
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline.steps import Stepped, after_step
from edgeprune.recipe.channels_table import ChannelsTable
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.steps import Step
from edgeprune.recipe.tune_table import TuneTable
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import outputs_at

TRAINED = {"mobilenet": 12_000, "resnet8": 20_000, "lenet": 20_000, "windows": 8_000}
"""Samples that each network is trained on; the others score it."""

ROUND_TO = {"resnet8": 4}
"""Fewer channels than these in a first layer damaged TensorFlow's heap: benchmarks/resnet8.py."""


def step_of(text: str, net: str) -> Step:
    """A step as the command line says it."""
    kind, value, epochs, rate, weight = text.split(":")
    keys: dict[str, Any] = {
        "epochs": int(epochs),
        "learning_rate": float(rate),
        "distillation": float(weight),
    }
    if kind == "tune":
        return Step(tune=TuneTable(**keys))
    if kind == "channels":
        return Step(
            channels=ChannelsTable(macs=float(value), round_to=ROUND_TO.get(net, 1), **keys)
        )
    return Step(prune=PruneTable(float(value), layers="all", allocation="global", **keys))


def say(line: str) -> None:
    """Prints progress where the table does not go."""
    print(line, file=sys.stderr, flush=True)


def cifar(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All 22,000 images, 0 to 255, and their labels."""
    file = folder / "cifar10.npz"
    if not file.exists():
        decoded(SHARED / "data" / "cifar10.npz", file)
    raw = np.load(file)
    x, y = (np.concatenate([raw[f"{part}_train"], raw[f"{part}_test"]]) for part in "xy")
    return x.astype(np.float32), y.astype(int)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """30,000 digits, 0 to 1, and their labels."""
    raw = np.load(SHARED / "data" / "mnist.npz")
    count = TRAINED["lenet"]
    x, y = (np.concatenate([raw[f"{part}_train"][:count], raw[f"{part}_test"]]) for part in "xy")
    return x[..., None].astype(np.float32) / 255, y.astype(int)


def windows() -> tuple[np.ndarray, np.ndarray]:
    """16,000 windows ``(128, 3)`` of 6 motions: two waves each, seen by three noisy sensors."""
    rng, count = np.random.default_rng(5), 16_000
    y = rng.integers(0, 6, count)
    slow, fast = np.array([4, 4.6, 7, 7.8, 11, 12.2]), np.array([9, 10.5, 13, 15, 21, 19.5])
    mixed = np.random.default_rng(6).normal(size=(6, 2, 3))[y] + rng.normal(0, 0.8, (count, 2, 3))
    times = np.arange(128) / 128 * rng.normal(1, 0.07, (count, 1))
    phases, sizes = rng.uniform(0, 2 * np.pi, (2, count, 1)), rng.uniform(0.5, 1.3, (2, count, 1))
    waves = np.stack(
        [
            size * np.sin(2 * np.pi * pace[y][:, None] * times + phase)
            for pace, phase, size in zip((slow, fast), phases, sizes, strict=True)
        ],
        axis=1,
    )
    x = np.einsum("nkt,nkc->ntc", waves, mixed)
    x += rng.normal(0, 1.6, x.shape) + rng.normal(0, 0.5, (count, 1, 3))
    return x.astype(np.float32), y


def samples(folder: Path, net: str) -> Dataset:
    """A network's samples: those it is trained on, and all others."""
    x, y = {"lenet": digits, "windows": windows}.get(net, lambda: cifar(folder))()
    if net == "mobilenet":
        x = x / 255
    count = TRAINED[net]
    kinds = ("flips", "shifts") if x.shape[-1] == 3 and x.ndim == 4 else ()
    return Dataset(x[:count], y[:count], x[count:], y[count:], net, augment=kinds)


def mobilenet(layers: Any) -> tuple[Any, Any]:
    """Input and output."""

    def normed(z: Any) -> Any:
        return layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(z))

    start = layers.Input((32, 32, 3))
    z = normed(layers.Conv2D(32, 3, padding="same", use_bias=False)(start))
    for filters, stride in ((48, 1), (96, 2), (96, 1), (192, 2), (192, 1), (256, 2)):
        z = normed(layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(z))
        z = normed(layers.Conv2D(filters, 1, use_bias=False)(z))
    z = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(z))
    return start, layers.Dense(10, "softmax")(z)


def lenet(layers: Any) -> tuple[Any, Any]:
    """Input and output."""
    start = layers.Input((28, 28, 1))
    z = layers.MaxPooling2D()(layers.Conv2D(6, 5, padding="same", activation="relu")(start))
    z = layers.Flatten()(layers.MaxPooling2D()(layers.Conv2D(16, 5, activation="relu")(z)))
    z = layers.Dense(84, "relu")(layers.Dense(120, "relu")(z))
    return start, layers.Dense(10, "softmax")(z)


def windows_net(layers: Any) -> tuple[Any, Any]:
    """Input and output."""
    start = z = layers.Input((128, 3))
    for filters, stride in ((32, 1), (64, 2), (64, 2), (96, 2)):
        z = layers.Conv1D(filters, 5, stride, padding="same", use_bias=False)(z)
        z = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(z))
    z = layers.Dropout(0.2)(layers.GlobalAveragePooling1D()(z))
    return start, layers.Dense(6, "softmax")(z)


DENSE = {
    "mobilenet": (mobilenet, 10, 1e-3),
    "lenet": (lenet, 3, 1e-3),
    "windows": (windows_net, 6, 2e-3),
}
"""Architecture, epochs and learning rate of the networks as a user brings them."""


class Lab:
    """Trains chains of one network, each node once.

    Args:
        folder: Where networks and rows are kept.
        net: Which network.
        seed: Of all trainings but the first one.
    """

    def __init__(self, folder: Path, net: str, seed: int) -> None:
        self.folder, self.net, self.seed = folder, net, seed
        self.data = samples(folder, net)

    def node(self, chain: tuple[str, ...]) -> Loaded:
        """The network after a chain."""
        name = "+".join([self.net, *chain, *([f"seed{self.seed}"] if chain else [])])
        path = self.folder / f"{name.replace(':', '_')}.h5"
        if not path.exists():
            parent = self.node(chain[:-1]) if chain else None
            before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
            made = self._dense() if parent is None else self._trained(parent, chain)
            right = self._right(made)
            row = {
                "net": self.net,
                "chain": "+".join(chain),
                "seed": self.seed,
                "top1": float(right.mean()),
                "samples": len(right),
                "right": np.packbits(right).tobytes().hex(),
                "macs": count_macs(made),
                "cpu_s": resource.getrusage(resource.RUSAGE_SELF).ru_utime - before,
            }
            path.with_suffix(".json").write_text(json.dumps(row))
            say(f"{row['chain']}: {row['top1']:.2%}")
            with quiet():
                made.save(path)
        return load(path)

    def _dense(self) -> Any:
        if self.net == "resnet8":
            return load(SHARED / "models" / "pretrainedResnet.h5").keras
        keras = import_keras("tf_keras")
        keras.utils.set_random_seed(0)
        build, epochs, rate = DENSE[self.net]
        model = keras.Model(*build(keras.layers))
        steps = epochs * -(-TRAINED[self.net] // 64)
        adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
        model.compile(adam, "sparse_categorical_crossentropy")
        model.fit(self.data.x_train, self.data.y_train, 64, epochs, verbose=2)
        return model

    def _trained(self, parent: Loaded, chain: tuple[str, ...]) -> Any:
        tuned = tuple(itertools.takewhile(lambda text: text.startswith("tune"), chain[:-1]))
        is_dense = tuned == chain[:-1]
        dense = parent if is_dense else self.node(tuned)
        context = StageContext(self.data, say, self.seed, teacher=dense)
        return after_step(Stepped(parent, dense), step_of(chain[-1], self.net), context).model.keras

    def _right(self, model: Any) -> Any:
        """Whether each scored sample is answered right."""
        return outputs_at(model, self.data.x_test)[0].argmax(axis=-1) == self.data.y_test


def printed(folder: Path, net: str) -> None:
    """The table, of the rows that there are."""
    rows = [json.loads(file.read_text()) for file in folder.glob(f"{net}*.json")]
    dense = {
        (epochs_of(row["chain"]), row["seed"]): row
        for row in rows
        if all(step.startswith("tune") for step in row["chain"].split("+"))
    }
    print(
        "| chain | seed | top-1 % | points beside dense, trained as long | "
        "M multiply-accumulates | CPU s of the last step |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for row in sorted(rows, key=lambda row: (row["chain"].count("+"), row["chain"], row["seed"])):
        control = dense.get((epochs_of(row["chain"]), row["seed"]), row)
        print(
            f"| {row['chain'] or 'as it comes'} | {row['seed']} | {100 * row['top1']:.2f} | "
            f"{'' if control is row else beside(row, control)} | "
            f"{row['macs'] / 1e6:.2f} | {row['cpu_s']:.0f} |"
        )


def epochs_of(chain: str) -> int:
    """How long a chain trains."""
    return sum(int(step.split(":")[2]) for step in chain.split("+") if step)


def beside(row: dict[str, Any], control: dict[str, Any]) -> str:
    """The difference of two networks in points of top-1, and its standard error.

    Both answered the same n samples. The differences d of each sample, -1, 0 or 1, have the mean's
    standard error ``std(d) / sqrt(n)``.
    """
    right, right_of_control = (
        np.unpackbits(np.frombuffer(bytes.fromhex(one["right"]), np.uint8), count=one["samples"])
        for one in (row, control)
    )
    gaps = 100.0 * (right.astype(int) - right_of_control)
    return f"{gaps.mean():+.2f} ({gaps.std() / np.sqrt(len(gaps)):.2f})"


def main() -> None:
    """Trains what is not done yet, and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("net", choices=TRAINED)
    parser.add_argument("chains", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit("the data are not at hand: nothing measured")
    asked.folder.mkdir(parents=True, exist_ok=True)
    lab = Lab(asked.folder, asked.net, asked.seed)
    for chain in asked.chains:
        lab.node(tuple(chain.split("+")))
    printed(asked.folder, asked.net)


if __name__ == "__main__":
    main()
