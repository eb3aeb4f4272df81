"""Cost-aware allocation beside uniform, at the same measured instructions.

A small separable network for CIFAR-10's 32x32 pixels, whose pointwise layers all run sparse on the
emulated Cortex-A72. For each seed it is trained dense, then pruned to each sparsity by
``edgeprune``'s own prune stage with both allocations, fine-tuned alike, converted, rewritten and
encoded. Instructions are counted on the board; where the cost-aware file counts more than the
uniform one, it is pruned a little further. The classifier (1 % of the cost, never sparse) is left
alone by both. Of the training images 8,000 are kept aside, and scored beside the 2,000 test images.

Rows are appended to FOLDER/rows.jsonl, so that an interrupted run goes on where it stopped.

    python benchmarks/allocation_curve.py FOLDER [--seeds 3] [--epochs 2] [--dense-epochs 8]
"""

import argparse
import dataclasses
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import SHARED, decoded
from prediction import EmulatedBoard

from edgeprune.api.pruning import loaded
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded
from edgeprune.convert import convert
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import clone, prunable_weights
from edgeprune.pruning import prune
from edgeprune.pruning.budget.layer_sizes import layers_of
from edgeprune.pruning.masks.masking import Masks
from edgeprune.pruning.plan import wanted
from edgeprune.pruning.shares import layer_shares
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.rewrite import rewrite
from edgeprune.sparsify import sparsify
from edgeprune.training.context import StageContext
from edgeprune.training.training_data import known_data
from edgeprune.verify import accuracy

SPARSITIES = (0.7, 0.8, 0.85, 0.9, 0.95)
ALLOCATIONS = ("uniform", "cost_aware")
ASIDE = 8000
BATCH = 128
LEARNING_RATE = 2e-3
STEP = 0.001
"""By which the sparsity asked for rises until the instructions are no more than uniform's."""

BLOCKS = ((2, 32), (1, 64), (1, 64), (2, 128), (1, 128))
"""Stride and output channels of each separable block."""


def network() -> Any:
    """Pixels of 0 to 255 in, ten logits out; strided layers are padded by 1 on every side."""
    keras = import_keras("keras")
    layers = keras.layers

    def activated(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    inputs = layers.Input((32, 32, 3))
    x = layers.ZeroPadding2D(1)(layers.Rescaling(1 / 127.5, -1)(inputs))
    x = activated(layers.Conv2D(16, 3, 2, use_bias=False)(x))
    for stride, channels in BLOCKS:
        x = layers.ZeroPadding2D(1)(x)
        x = activated(layers.DepthwiseConv2D(3, stride, use_bias=False)(x))
        x = activated(layers.Conv2D(channels, 1, use_bias=False)(x))
    return keras.Model(inputs, layers.Dense(10, name="head")(layers.GlobalAveragePooling2D()(x)))


def images(folder: Path) -> Dataset:
    """To train on, and to score: those kept aside come first, then the test images."""
    path = folder / "cifar10.npz"
    if not path.exists():
        decoded(SHARED / "data" / "cifar10.npz", path)
    data = np.load(path)
    x, y = data["x_train"].astype(np.float32), data["y_train"].astype(np.int32)
    x_test = np.concatenate([x[-ASIDE:], data["x_test"].astype(np.float32)])
    y_test = np.concatenate([y[-ASIDE:], data["y_test"].astype(np.int32)])
    return Dataset(x[:-ASIDE], y[:-ASIDE], x_test, y_test, str(path))


def dense_model(folder: Path, seed: int, epochs: int, data: Dataset) -> Loaded:
    """Trained once a seed."""
    keras = import_keras("keras")
    path = folder / f"dense-{seed}-{epochs}.keras"
    if not path.exists():
        keras.utils.set_random_seed(seed)
        model = network()
        steps = epochs * (len(data.x_train) // BATCH)
        rate = keras.optimizers.schedules.CosineDecay(5e-3, steps)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss)
        model.fit(data.x_train, data.y_train, batch_size=BATCH, epochs=epochs, verbose=0)
        model.save(path)
    return loaded(keras.models.load_model(path, compile=False))


class Measuring:
    """One seed's dense model, and what becomes of it."""

    def __init__(self, folder: Path, seed: int, data: Dataset, options: argparse.Namespace) -> None:
        self.board = EmulatedBoard(folder)
        self.data, self.seed, self.epochs = data, seed, options.epochs
        self.model = dense_model(folder, seed, options.dense_epochs, data)
        self.dense = convert(self.model)

    def spec(self, allocation: str, sparsity: float) -> PruneTable:
        """The same training for all."""
        return PruneTable(
            sparsity=sparsity,
            allocation=allocation,
            ignored=("head",),
            epochs=self.epochs,
            batch_size=BATCH,
            learning_rate=LEARNING_RATE,
            seed=self.seed,
            control=False,
        )

    def deployable(self, model: Loaded) -> bytes:
        """The file that ``edgeprune deploy`` would push."""
        return sparsify(rewrite(convert(model), self.board.cpu).tflite, self.board.cpu).tflite

    def untrained(self, spec: PruneTable) -> float:
        """Instructions of the pruned file; they do not depend on training."""
        copied = clone(self.model)
        weights = wanted(prunable_weights(copied, spec.layers), spec)
        training = known_data(copied, self.data.x_train, self.data.y_train)
        found = layer_shares(
            copied, weights, layers_of(weights, self.dense), spec, training, cpu=self.board.cpu
        )
        masks = Masks(copied, weights, {one.name: one.sparsity for one in found})
        masks.update()
        masks.finish()
        return self.board.instructions(self.deployable(loaded(copied)))

    def row(self, allocation: str, sparsity: float, most: float = math.inf) -> dict[str, Any]:
        """Prunes, trains and measures; ``most`` is what may be counted."""
        spec = self.spec(allocation, sparsity)
        while most < math.inf and self.untrained(spec) > most:
            spec = dataclasses.replace(spec, sparsity=spec.sparsity + STEP)
        done = prune(
            self.model, spec, StageContext(self.data, cpu=self.board.cpu), dense=self.dense
        )
        file = self.deployable(done.model)
        return {
            "seed": self.seed,
            "sparsity": sparsity,
            "allocation": allocation,
            "instructions": self.board.instructions(file),
            "sparse_layers": len(self.board.sparse_layers(file)),
            **scores(file, self.data),
            "shares": [round(one.zeros / one.weights, 4) for one in done.tensors],
        }

    def dense_row(self) -> dict[str, Any]:
        """The model as it comes."""
        return {
            "seed": self.seed,
            "sparsity": 0.0,
            "allocation": "dense",
            "instructions": self.board.instructions(self.dense),
            "sparse_layers": 0,
            **scores(self.dense, self.data),
            "shares": [],
        }


def scores(file: bytes, data: Dataset) -> dict[str, float]:
    """Share of right answers: to the test images, and to all that no training saw."""
    x, y = data.x_test, data.y_test
    parts = [
        accuracy(file, dataclasses.replace(data, x_test=x[part], y_test=y[part]))
        for part in (slice(ASIDE), slice(ASIDE, None))
    ]
    aside, test = (part.value for part in parts if part is not None)
    count = len(x) - ASIDE
    return {"test": test, "unseen": (ASIDE * aside + count * test) / len(x)}


class Rows:
    """What is measured already; a file of lines of JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.all: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def get(self, measuring: Measuring, allocation: str, sparsity: float) -> dict[str, Any]:
        """A row, measured now if it was not before; ``cost_aware`` asks for uniform's first."""
        for row in self.all:
            if (row["seed"], row["allocation"], row["sparsity"]) == (
                measuring.seed,
                allocation,
                sparsity,
            ):
                return row
        if allocation == "dense":
            row = measuring.dense_row()
        elif allocation == "uniform":
            row = measuring.row(allocation, sparsity)
        else:
            most = self.get(measuring, "uniform", sparsity)["instructions"]
            row = measuring.row(allocation, sparsity, most)
        self.all.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), file=sys.stderr, flush=True)
        return row


def table(rows: Rows) -> None:
    """Prints means over seeds, with the standard deviation."""
    print(f"{'':21} {'instructions':>15}  {'top-1, test':>15}  {'top-1, all unseen':>18}")
    keys = dict.fromkeys((row["sparsity"], row["allocation"]) for row in rows.all)
    for sparsity, allocation in sorted(keys, key=lambda key: (key[0], key[1] != "uniform")):
        found = [
            row
            for row in rows.all
            if (row["sparsity"], row["allocation"]) == (sparsity, allocation)
        ]
        counts = [row["instructions"] / 1e6 for row in found]
        shown = [
            f"{100 * statistics.mean(part):5.2f} +- {100 * deviation(part):4.2f} %"
            for part in ([row[key] for row in found] for key in ("test", "unseen"))
        ]
        print(
            f"{sparsity:4.0%} {allocation:10} {len(found)} seeds "
            f"{statistics.mean(counts):10.4f} M  " + "  ".join(shown)
        )
        if allocation == "cost_aware":
            pairs = [(row, partner(rows, row)) for row in found]
            gains = [100 * (mine["unseen"] - theirs["unseen"]) for mine, theirs in pairs]
            most = max(mine["instructions"] / theirs["instructions"] for mine, theirs in pairs)
            listed = ", ".join(f"{gain:+.2f}" for gain in gains)
            print(f"     gain on all unseen {listed}; at most {most:.4f} of uniform's instructions")


def partner(rows: Rows, row: dict[str, Any]) -> dict[str, Any]:
    """The uniform row of the same seed and sparsity."""
    uniform = (row["seed"], row["sparsity"], "uniform")
    return next(r for r in rows.all if (r["seed"], r["sparsity"], r["allocation"]) == uniform)


def deviation(values: list[float]) -> float:
    """Between seeds."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def main() -> None:
    """Measures what is missing, then prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--dense-epochs", type=int, default=8)
    options = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit("CIFAR-10 is not at hand: nothing measured")
    options.folder.mkdir(parents=True, exist_ok=True)
    data, rows = images(options.folder), Rows(options.folder / "rows.jsonl")
    for seed in range(options.seeds):
        measuring = Measuring(options.folder, seed, data, options)
        rows.get(measuring, "dense", 0.0)
        for sparsity in SPARSITIES:
            for allocation in ALLOCATIONS:
                rows.get(measuring, allocation, sparsity)
    table(rows)


if __name__ == "__main__":
    main()
