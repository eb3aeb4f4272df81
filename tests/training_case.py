"""A training for ``training/test_loop.py``, in its process or in one that is killed in the middle.

As a program it takes a case as JSON, and dies as it says a certain line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys

import numpy as np
from keras_nets import dataset, loaded

from edgeprune.artifacts.model import ModelFile
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pruning import prune
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext


def train(flavour, schedule, kind, say):
    """Prunes a small network; its weights, and those of the dense one beside it.

    Args:
        flavour: Which Keras trains.
        schedule: The schedule's name.
        kind: "new" draws samples anew in each epoch, "same" takes the same ones.
        say: Told each line.
    """
    keras = import_keras(flavour)
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((6, 6, 3), name="image"),
            layers.Conv2D(8, 1, name="mix"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Dropout(0.2, name="dropout"),
            layers.Flatten(name="flat"),
            layers.Dense(4, activation="softmax", name="head"),
        ],
        name="net",  # an automatic name would be another one in another process
    )
    model = dataclasses.replace(loaded(model, flavour), source=ModelFile("m", "abc", "test"))
    spec = PruneTable(sparsity=0.6, schedule=schedule, epochs=2, rounds=1, batch_size=16)
    data = dataset()
    if kind == "new":

        def fresh(k):
            noise = np.random.default_rng(k).normal(0, 0.1, data.x_train.shape)
            return dataclasses.replace(data, x_train=data.x_train + noise.astype("f4"))

        data = dataclasses.replace(data, augment=("flips", "shifts"), fresh=fresh)
    done = prune(model, spec, StageContext(data, say, max_accuracy_drop=0.9))
    return [*done.keras.get_weights(), *done.control.keras.get_weights()]


def _die_at(line):
    def say(said):
        if said.startswith(line):
            os.kill(os.getpid(), signal.SIGKILL)

    return say


def main():
    """Trains until the line of the case."""
    *what, line = json.loads(sys.argv[1])
    train(*what, _die_at(line))


if __name__ == "__main__":
    main()
