"""RigL beside gradual pruning and a static random mask, at 90 %: same steps and data, from scratch.

LeNet-300-100 on MNIST, trained by edgeprune's own loop; the allocation is ERK for all, and a second
gradual run ranks all layers together. ``rigl random`` starts from random masks as the paper does,
``rigl`` from those of the largest weights, as ``edgeprune compress`` does.

    python benchmarks/rigl.py [--epochs 5] [--seeds 3] [--sparsity 0.9] [--mnist FILE]
"""

import argparse
import dataclasses
import functools
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import Weight, prunable_weights
from edgeprune.pruning.masks.masking import Masks, magnitudes
from edgeprune.pruning.plan import sparsities
from edgeprune.pruning.schedules import schedule as schedule_of
from edgeprune.pruning.shares import candidates
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.loop import TrainingJob, fine_tune
from edgeprune.training.training_data import known_data

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"
METHODS = {  # schedule, allocation, whether the first masks are random
    "dense": ("", "erk", False),
    "gradual": ("gradual", "erk", False),
    "gradual global": ("gradual", "global", False),
    "static random": ("one_shot", "erk", True),
    "rigl random": ("rigl", "erk", True),
    "rigl": ("rigl", "erk", False),
}


def accuracy(method: str, spec: PruneTable, data: dict[str, Any]) -> tuple[float, float]:
    """Test accuracy and sparsity after one training."""
    schedule, allocation, is_random = METHODS[method]
    keras = import_keras("keras")
    keras.utils.set_random_seed(spec.seed)
    layers = keras.layers
    model = keras.Sequential([layers.Input((784,)), layers.Dense(300, activation="relu")])
    model.add(layers.Dense(100, activation="relu"))
    model.add(layers.Dense(10))
    spec = dataclasses.replace(spec, schedule=schedule or "gradual", allocation=allocation)
    rng = np.random.default_rng(spec.seed)

    def drawn(weight: Weight) -> Any:
        return rng.random(weight.matrix().shape, np.float32)

    masks = None
    if schedule:
        weights = prunable_weights(model, "all")
        shares = sparsities(candidates(weights), spec)
        masks = Masks(model, weights, shares, drawn if is_random else magnitudes)
    known = known_data(model, data["x_train"], data["y_train"])
    driver = functools.partial(schedule_of, spec) if masks else None
    fine_tune(
        TrainingJob(
            model, "keras", masks, spec.training(), known, lambda line: None, schedule=driver
        )
    )
    answers = np.asarray(model(data["x_test"], training=False)).argmax(1)
    return float((answers == data["y_test"]).mean()), masks.sparsity() if masks else 0.0


def main() -> None:
    """Prints a line per method: mean, deviation and every seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--mnist", type=Path, default=MNIST)
    options = parser.parse_args()
    if not options.mnist.is_file():
        sys.exit("MNIST is not at hand: nothing measured")
    packed = np.load(options.mnist)
    data = {
        name: packed[name].reshape(-1, 784).astype(np.float32) / 255
        if name.startswith("x")
        else packed[name].astype(np.int32)
        for name in packed.files
    }
    for method in METHODS:
        found = []
        for seed in range(options.seeds):
            spec = PruneTable(
                sparsity=options.sparsity, epochs=options.epochs, batch_size=100, seed=seed
            )
            found.append(accuracy(method, spec, data))
        scores = [100 * score for score, _ in found]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        print(
            f"{method:15} sparsity {found[0][1]:5.1%}  top-1 {statistics.mean(scores):.2f} "
            f"+- {spread:.2f} %  ({', '.join(f'{score:.2f}' for score in scores)})",
            flush=True,
        )


if __name__ == "__main__":
    main()
