import numpy as np
import pytest
from keras_nets import FLAVOURS

from edgeprune.models.keras.flavours import import_keras
from edgeprune.training.batch_norm import BatchNormStatistics


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(("chosen", "batch"), [(90, 10), (90, 40), (7, 10)])
def test_statistics_are_those_of_the_chosen_samples(flavour, chosen, batch):
    keras = import_keras(flavour)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.BatchNormalization()])
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, (100, 3)).astype(np.float32)
    x[chosen:] += 1000  # held out: never looked at
    order = rng.permutation(chosen)
    BatchNormStatistics(model).measure(x, order, batch)
    whole = max(chosen // batch, 1)
    parts = [x[order[k * batch : (k + 1) * batch]] for k in range(whole)]
    norm = model.layers[-1]
    wanted = np.mean([part.mean(axis=0) for part in parts], axis=0)
    assert np.allclose(norm.moving_mean.numpy(), wanted, rtol=1e-4)
    wanted = np.mean([part.var(axis=0) for part in parts], axis=0)
    assert np.allclose(norm.moving_variance.numpy(), wanted, rtol=1e-3)
    assert norm.momentum == 0.99


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_second_measurement_sees_the_weights_as_they_are_then(flavour):
    keras = import_keras(flavour)
    dense, norm = keras.layers.Dense(2, use_bias=False), keras.layers.BatchNormalization()
    model = keras.Sequential([keras.layers.Input((3,)), dense, norm])
    x = np.random.default_rng(0).normal(2.0, 3.0, (40, 3)).astype(np.float32)
    statistics = BatchNormStatistics(model)
    for scale in (1.0, 3.0):
        dense.kernel.assign(scale * np.ones((3, 2), np.float32))
        statistics.measure(x, np.arange(40), 20)
        assert np.allclose(norm.moving_mean.numpy(), scale * x.sum(axis=1).mean(), rtol=1e-4)
    assert norm.momentum == 0.99


def test_a_training_goes_on_moving_them_slowly():
    keras = import_keras("keras")
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.layers.Input((1,)), norm])
    x = np.full((20, 1), 5, np.float32)
    BatchNormStatistics(model).measure(x, np.arange(20), 10)
    model(x + 100, training=True)
    assert np.allclose(norm.moving_mean.numpy(), 5 + 0.01 * 100)
