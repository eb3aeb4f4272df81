"""Small Keras models of every kind, for the tests of whatever touches Keras."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import numpy as np
import pytest
from full_range import also

from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras, import_tensorflow

FLAVOURS = ("tf_keras", "keras")
KINDS = ("sequential", "functional", "nested", "subclassed")
SHAPE = (6, 6, 3)


def _shown(*pairs):
    """All pairs for the full range, of which the suite has these."""
    every = itertools.product(FLAVOURS, KINDS)
    return pytest.mark.parametrize(
        ("flavour", "kind"), [pair if pair in pairs else also(*pair) for pair in every]
    )


each_kind = _shown(("tf_keras", "nested"), ("keras", "subclassed"))
"""Every kind of model in both Kerases; the suite has the two that hold others, each in one."""
each_kind_too = _shown(("keras", "nested"), ("tf_keras", "subclassed"))
"""The same the other way round, so that the suite has both ways."""
nested_in_keras = _shown(("keras", "nested"))
"""For a test that trains, of what other tests show of the other kinds, or in the other Keras."""
nested_in_tf_keras = _shown(("tf_keras", "nested"))
"""The same in the other one."""
subclassed_in_keras = _shown(("keras", "subclassed"))
"""The same of the other kind."""
shown_in_keras = pytest.mark.parametrize("flavour", ["keras", also("tf_keras")])
"""For a test that trains, of code that is the same for both Kerases."""
shown_in_tf_keras = pytest.mark.parametrize("flavour", ["tf_keras", also("keras")])
"""The same in the other one: the suite has both in turn."""


def in_turn(name, values):
    """Each value in one of the Kerases, in turn, and in the full range in the other one, too."""
    pairs = [(FLAVOURS[k % 2], value) for k, value in enumerate(values)]
    others = [also(FLAVOURS[1 - k % 2], value) for k, value in enumerate(values)]
    return pytest.mark.parametrize(("flavour", name), [*pairs, *others])


def loaded(model, flavour):
    return Loaded(ModelFile(Path("memory"), "", "test"), keras=model, flavour=flavour)


@functools.cache
def subclassed(flavour):
    """A class with a list of layers, the second of which is shared with an attribute."""
    keras = import_keras(flavour)
    tf = import_tensorflow()

    class Small(keras.Model):
        def __init__(self, width=8, **rest):
            super().__init__(**rest)
            self.width = width
            self.blocks = [keras.layers.Conv2D(width, 1, name=f"mix{k}") for k in range(2)]
            self.last_block = self.blocks[1]
            self.norm = keras.layers.BatchNormalization()
            self.head = keras.layers.Dense(4, name="head")

        def call(self, inputs, training=False):
            for block in self.blocks:
                inputs = block(inputs)
            return self.head(tf.reduce_mean(self.norm(inputs, training=training), [1, 2]))

        def get_config(self):
            return {"width": self.width, "name": self.name}

    return Small


def build(flavour, kind, seed=0):
    """A classifier of 4 classes on (6, 6, 3), built and with seeded weights."""
    keras = import_keras(flavour)
    layers = keras.layers
    keras.utils.set_random_seed(seed)
    with quiet():
        if kind == "subclassed":
            model = subclassed(flavour)(name="small")
            model(import_tensorflow().zeros((1, *SHAPE)))
            return model
        if kind == "sequential":
            return keras.Sequential(
                [
                    layers.Input(SHAPE),
                    layers.Conv2D(6, 3, name="stem"),
                    layers.DepthwiseConv2D(3, name="depthwise"),
                    layers.Conv2D(10, 1, activation="relu", name="mix"),
                    layers.Flatten(),
                    layers.Dense(4, activation="softmax", name="head"),
                ],
                name="line",
            )
        inputs = layers.Input(SHAPE, name="image")
        x = layers.SeparableConv2D(8, 3, name="separable")(inputs)
        x = layers.BatchNormalization(name="norm")(x)
        mix = layers.Conv2D(8, 1, name="mix")
        x = mix(mix(x))  # shared
        if kind == "nested":
            inner_in = layers.Input((4, 4, 8))
            inner_out = layers.Conv2D(12, 1, name="mix")(inner_in)
            x = keras.Model(inner_in, inner_out, name="inner")(x)
        x = layers.Dense(4, activation="softmax", name="head")(layers.GlobalAveragePooling2D()(x))
        return keras.Model(inputs, x, name="graph")


def dataset(n=96, seed=0):
    """Images whose mean tells their class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    x = rng.normal(size=(n, *SHAPE)).astype(np.float32) + y[:, None, None, None]
    return Dataset(x.astype(np.float32), y, x[:8].astype(np.float32), y[:8], "made up")


def save(model, path, **rest):
    with quiet():
        model.save(path, **rest)
    return path
