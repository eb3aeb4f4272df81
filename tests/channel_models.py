"""Models for the tests of channel pruning, and the check that every one of them must pass."""

from __future__ import annotations

import numpy as np

from edgeprune.channels import masked_dense, prune_channels
from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import flat_outputs, import_keras

SHAPE = (8, 8, 3)


def functional(flavour, body, *shapes, dtype=None):
    """A model with random weights; ``body(layers, *inputs)`` returns its output or outputs."""
    keras = import_keras(flavour)
    with quiet():
        inputs = [keras.layers.Input(shape, dtype=dtype) for shape in shapes or (SHAPE,)]
        model = keras.Model(inputs if shapes[1:] else inputs[0], body(keras.layers, *inputs))
    return randomized(model)


def sequential(flavour, *items):
    """A Sequential of what ``items(layers)`` gives, built on (8, 8, 3)."""
    keras = import_keras(flavour)
    with quiet():
        model = keras.Sequential([keras.layers.Input(SHAPE), *items])
    return randomized(model)


def randomized(model, seed=0):
    """Every weight random, so that no channel is like another; kernels keep the signal's size."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if "float" not in str(weight.dtype):
            continue
        if len(shape) > 1:
            values = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]) / 2)
        else:
            values = rng.uniform(0.5, 1.5, shape)
        weight.assign(values.astype(np.float32))
    return model


def answers(model, count=3, seed=1):
    """Its outputs on random inputs."""
    rng = np.random.default_rng(seed)
    inputs = []
    for tensor in model.inputs:
        size = (count, *(n or 5 for n in tuple(tensor.shape)[1:]))
        dtype = str(getattr(tensor.dtype, "name", tensor.dtype))
        whole = rng.integers(0, 4, size) if "int" in dtype else rng.normal(size=size)
        inputs.append(whole.astype(dtype))
    found = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(one) for one in flat_outputs(found)]


def difference(ours, theirs):
    """Largest difference over all outputs, relative to the largest value of each."""
    assert [one.shape for one in ours] == [one.shape for one in theirs]
    return max(
        float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
        for a, b in zip(ours, theirs, strict=True)
    )


def checked(model, pruning_ratio=0.5, **options):
    """Prunes, and checks that the result answers what the masked dense model answers."""
    pruned = prune_channels(model, pruning_ratio=pruning_ratio, **options)
    masked = answers(masked_dense(model, pruned))
    assert difference(answers(pruned.model), masked) < 1e-5
    assert not pruned.removed or difference(answers(model), masked) > 1e-4
    return pruned


def shapes(model):
    """Shapes of all weights with more than one axis, by layer and weight."""
    return {
        f"{layer.name}/{k}": tuple(weight.shape)
        for layer in model._flatten_layers(include_self=False)
        for k, weight in enumerate(layer.weights)
        if len(weight.shape) > 1
    }


def sizes(pruned):
    """Layer to number of output channels that went."""
    return {one.layer: len(one.positions) for one in pruned.removed if one.role == "output"}
