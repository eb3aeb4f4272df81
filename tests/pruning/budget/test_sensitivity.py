import numpy as np
import pytest

from edgeprune.artifacts.dataset import TrainingData
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning.budget import sensitivity
from edgeprune.pruning.budget.sensitivity import POINTS, SAMPLES, drawn, grid, loss_increases
from edgeprune.pruning.masks.masking import prune_weight
from edgeprune.tasks import Task
from edgeprune.training.training_data import known_data

each_flavour = pytest.mark.parametrize("flavour", ["keras", "tf_keras"])


def model(flavour, loud=4.0):
    """Sure of its answers, so that pruning makes it worse."""
    keras = import_keras(flavour)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    made = keras.Sequential(
        [
            layers.Input((8,)),
            layers.Dense(16, activation="tanh", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(3, name="second"),
        ]
    )
    made.layers[-1].kernel.assign(loud * made.layers[-1].kernel)
    return made


def data(made, samples=96):
    x = np.random.default_rng(0).normal(size=(samples, 8)).astype(np.float32)
    return known_data(made, x, np.asarray(made(x)).argmax(1).astype(np.int32))


@each_flavour
def test_each_layer_is_pruned_alone_and_all_weights_come_back(flavour):
    made = model(flavour)
    before = [np.array(value) for value in made.get_weights()]
    weights = prunable_weights(made, "all")
    found = loss_increases(made, weights, data(made), (0.0, 0.5, 0.9))
    assert list(found) == ["first/kernel", "second/kernel"]
    assert all(losses[0] == 0 for losses in found.values())
    assert found["second/kernel"][2] > found["second/kernel"][1] > 0
    for old, new in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_increase_is_that_of_the_mean_loss_of_the_pruned_model():
    made = model("keras")
    known = data(made)
    x, y = known.x, known.y
    weight = prunable_weights(made, "all")[1]

    def mean_loss():
        logits = np.asarray(made(x), np.float64)
        return np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y])

    before, (increase,) = mean_loss(), loss_increases(made, [weight], known, (0.5,))[weight.name]
    prune_weight(weight, 0.5)
    assert increase == pytest.approx(mean_loss() - before, rel=1e-4)


def test_weights_come_back_after_an_error():
    made = model("keras")
    known = data(made)
    made.layers[0].kernel.assign(np.full((8, 16), 1e30, np.float32))
    made.layers[0].bias.assign(np.full(16, np.nan, np.float32))
    kernel = made.layers[-1].kernel.numpy()
    with pytest.raises(ModelError, match=r"the loss on training samples is nan: scale the data"):
        loss_increases(made, prunable_weights(made, "all"), known, (0.5,))
    np.testing.assert_array_equal(kernel, made.layers[-1].kernel.numpy())


def test_the_grid_removes_a_share_of_what_remains_and_has_the_recipes_sparsity():
    points = grid(0.8)
    assert points[0] == 0 and 0.8 in points and points == tuple(sorted(points))
    assert points[-1] < 1
    assert set(POINTS) <= set(points)


def test_many_layers_are_measured_on_fewer_samples(monkeypatch):
    seen = []

    class Measured(sensitivity._MeanLoss):
        def __init__(self, model, data, most):
            seen.append(min(len(data.x), most))
            super().__init__(model, data, most)

    monkeypatch.setattr(sensitivity, "_MeanLoss", Measured)
    monkeypatch.setattr(sensitivity, "MOST_PASSES", 20 * 2 * 3)
    made, rng = model("keras"), np.random.default_rng(0)
    x = rng.normal(size=(40, 8)).astype(np.float32)
    known = known_data(made, x, rng.integers(0, 3, 40))
    weights = prunable_weights(made, "all")[:2]
    loss_increases(made, weights, known, (0.1, 0.5, 0.9))
    loss_increases(made, weights, known, (0.1,) * 10)
    assert seen == [20, sensitivity.LEAST_SAMPLES]


def test_samples_are_drawn_by_the_seed():
    x = np.arange(4 * SAMPLES)
    data = TrainingData(x, -x, Task(()))
    first = drawn(data, 1)
    assert len(set(first.x)) == SAMPLES
    np.testing.assert_array_equal(first.y, -first.x)
    np.testing.assert_array_equal(first.x, drawn(data, 1).x)
    assert not np.array_equal(first.x, drawn(data, 2).x)
