import numpy as np
import pytest
from keras_nets import FLAVOURS, loaded
from nets import Net

from edgeprune.convert import convert
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning.budget.layer_sizes import layers_of, sizes


def branched(keras):
    """Two branches of equal kernels' shapes on maps of different sizes, built out of order."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    late = [layers.Conv2D(8, 1, name="late", use_bias=False), layers.BatchNormalization()]
    early = [layers.Conv2D(8, 1, name="early", use_bias=False), layers.BatchNormalization()]
    inputs = layers.Input((12, 8, 8))
    small = late[1](late[0](layers.MaxPooling2D(2)(inputs)))
    large = early[1](early[0](inputs))
    both = layers.Add()([layers.UpSampling2D(2)(small), large])
    out = layers.Dense(5, name="head")(layers.GlobalAveragePooling2D()(both))
    model = keras.Model(inputs, out)
    rng = np.random.default_rng(0)
    for norm in (early[1], late[1]):
        gamma = rng.uniform(0.2, 3, 8) * rng.choice([-1, 1], 8)
        norm.set_weights([gamma, rng.normal(size=8), rng.normal(size=8), rng.uniform(1, 2, 8)])
    return model


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_kernels_are_found_again_behind_folded_normalization(flavour):
    model = branched(import_keras(flavour))
    dense = convert(loaded(model, flavour))
    found = {
        layer.name: layer for layer in layers_of(prunable_weights(model, "accelerated"), dense)
    }
    assert {name: layer.pixels for name, layer in found.items()} == {
        "early/kernel": 96,
        "late/kernel": 24,
        "head/kernel": 0,
    }
    assert (found["head/kernel"].out_channels, found["head/kernel"].in_channels) == (5, 8)


def test_what_is_not_in_the_file_has_no_known_size():
    net = Net()
    dense = net.build(net.conv(net.input(1, 4, 4, 6), 8))
    other = np.random.default_rng(1).normal(size=(8, 6)).astype(np.float32)
    assert sizes(dense, [other, other[:, :5]]) == [None, None]


def test_equal_kernels_are_told_apart_by_their_order():
    net = Net()
    x = net.conv(net.input(1, 4, 4, 1), 1)
    dense = net.build(net.conv(net.max_pool(x), 1))
    one = np.ones((1, 1), np.float32)
    assert sizes(dense, [one, one, one]) == [16, 4, None]
