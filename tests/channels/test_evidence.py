import numpy as np
import pytest
from channel_models import functional
from keras_nets import FLAVOURS

from edgeprune.channels import Evidence, find_groups
from edgeprune.errors import ModelError
from edgeprune.training.capture import Calibration


def residual(layers, x):
    x = layers.Conv2D(6, 3, padding="same", name="stem")(x)
    y = layers.BatchNormalization()(layers.Conv2D(6, 1, activation="tanh", name="branch")(x))
    x = layers.Add()([x, y])
    return layers.Dense(2, name="head")(layers.GlobalAveragePooling2D()(x))


def samples(count):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 8, 8, 3)).astype(np.float32)
    return Calibration(x, rng.normal(size=(count, 2)).astype(np.float32))


def loss(model, one):
    outputs = np.asarray(model(one.x, training=False), np.float64)
    return np.mean(np.square(outputs - one.y))


def slope(model, group, unit, one, step=1e-2):
    """Of the loss, as the weights that read the unit shrink; by difference."""
    readers = [member for member in group.members if member.role == "input"]
    before = [member.variable.numpy() for member in readers]
    found = []
    for sign in (1, -1):
        for member, old in zip(readers, before, strict=True):
            values = np.moveaxis(np.array(old), member.axis, 0)
            values[member.positions[unit]] *= 1 - sign * step
            member.variable.assign(np.moveaxis(values, 0, member.axis))
        found.append(loss(model, one))
    for member, old in zip(readers, before, strict=True):
        member.variable.assign(old)
    return (found[0] - found[1]) / (2 * step)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_change_of_the_loss_is_its_slope_as_the_readers_of_a_unit_fade(flavour):
    model, one = functional(flavour, residual), samples(16)
    (group,) = find_groups(model)
    assert len([member for member in group.members if member.role == "input"]) == 2
    found = Evidence(model, [group], one).squared_loss_changes(group)
    wanted = [slope(model, group, unit, one) ** 2 for unit in range(group.units)]
    assert np.allclose(found, wanted, rtol=0.02, atol=1e-3 * max(wanted))


def test_several_batches_are_averaged():
    model, both = functional("keras", residual), samples(32)
    (group,) = find_groups(model)
    halves = [Calibration(both.x[k : k + 16], both.y[k : k + 16]) for k in (0, 16)]
    parts = [Evidence(model, [group], half).squared_loss_changes(group) for half in halves]
    whole = Evidence(model, [group], both).squared_loss_changes(group)
    assert np.allclose(whole, np.mean(parts, axis=0), rtol=1e-4)


def test_gradients_that_are_no_numbers_are_refused():
    model, one = functional("keras", residual), samples(4)
    (group,) = find_groups(model)
    one.x[0, 0, 0, 0] = np.nan
    with pytest.raises(ModelError, match="gradients of inf or nan"):
        Evidence(model, [group], one).squared_loss_changes(group)
