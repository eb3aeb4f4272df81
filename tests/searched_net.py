"""A network much larger than its task, with its data: what a search takes seconds to shrink."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from keras_nets import save

from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras

CLASSES, INPUTS, TELLING = 3, 64, 8
"""Its answer hangs on 8 of 64 inputs."""


def write(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Writes ``net.keras``, trained, and ``data.npz`` with 600 samples each; their paths."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1200, INPUTS)).astype(np.float32)
    y = (x[:, :TELLING] @ rng.normal(size=(TELLING, CLASSES))).argmax(1)
    data = folder / "data.npz"
    np.savez(data, x_train=x[:600], y_train=y[:600], x_test=x[600:], y_test=y[600:])
    keras = import_keras("keras")
    keras.utils.set_random_seed(seed + 1)
    layers = keras.layers
    inputs = layers.Input((INPUTS,))
    hidden = layers.Dense(64, activation="relu")(inputs)
    net = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(hidden))
    with quiet():
        net.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
        net.fit(x[:600], y[:600], epochs=15, verbose=0)
    return save(net, folder / "net.keras"), data
