"""A network much larger than its task, with its data: what a search takes seconds to shrink."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from keras_nets import save

from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline import chain, ground, lab, search_clock

CLASSES, INPUTS, TELLING = 3, 64, 8
"""Its answer hangs on 8 of 64 inputs."""

TRAINED = 600
"""Samples."""

NO_TRAINING_S = 1e-4
"""A budget in which no machine trains it."""

BUDGET_S, SMALL_BUDGET_S = 6.0, 3.4
"""Hold three or four of the trainings of :func:`short_trainings`, and one or two."""

EPOCH_S, JUDGE_S = 0.3, 0.1


@contextlib.contextmanager
def short_trainings() -> Iterator[None]:
    """Few and short ones, and a clock that they alone move, each by what was expected of it."""
    train, times_s = lab.KerasLab.train, []

    def timed(itself, node):
        train(itself, node)
        times_s.append(itself.seconds(node))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(chain, "STEPS", 50)
        patched.setattr(chain, "MOVES_IN_BUDGET", 2)
        patched.setattr(ground, "epoch_seconds", lambda model, data: EPOCH_S)
        patched.setattr(lab, "FIRST_JUDGE_S", JUDGE_S)
        patched.setattr(lab.KerasLab, "train", timed)
        patched.setattr(search_clock, "now_s", lambda: sum(times_s))
        yield


def write(folder: Path, seed: int = 0, hidden: int = 64, tests: int = TRAINED) -> tuple[Path, Path]:
    """Writes ``net.keras``, trained on 600 samples, and ``data.npz``; their paths.

    Args:
        folder: Where to.
        seed: Of samples and weights.
        hidden: Units of its one hidden layer.
        tests: Samples that it is not trained on.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(TRAINED + tests, INPUTS)).astype(np.float32)
    y = (x[:, :TELLING] @ rng.normal(size=(TELLING, CLASSES))).argmax(1)
    data = folder / "data.npz"
    parts = {"train": slice(None, TRAINED), "test": slice(TRAINED, None)}
    np.savez(
        data,
        **{
            f"{axis}_{name}": a[part]
            for axis, a in (("x", x), ("y", y))
            for name, part in parts.items()
        },
    )
    keras = import_keras("keras")
    keras.utils.set_random_seed(seed + 1)
    layers = keras.layers
    inputs = layers.Input((INPUTS,))
    between = layers.Dense(hidden, activation="relu")(inputs)
    net = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(between))
    with quiet():
        net.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
        net.fit(x[:TRAINED], y[:TRAINED], epochs=15, verbose=0)
    return save(net, folder / "net.keras"), data
