import numpy as np
import pytest
from keras_nets import FLAVOURS, build, dataset

from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.intercept import spots
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.training import capture
from edgeprune.training.capture import (
    Calibration,
    Snapshot,
    SquaredGradients,
    batches,
    mean_inputs,
    mean_squared_inputs,
    moments,
)


def two_layers(flavour):
    keras = import_keras(flavour)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(2)])


def samples(n=100):
    return np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32) + 0.5


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_moments_are_those_of_all_batches_together(flavour, monkeypatch):
    model, x = two_layers(flavour), samples()
    monkeypatch.setattr(capture, "BATCH", 64)
    spot = spots(model, [model.layers[1]], x[:1])[0]
    inputs = np.asarray(model.layers[0](x)).astype(float)
    found = moments(model, spot, x)
    np.testing.assert_allclose(found.hessian[0], 2 * inputs.T @ inputs / 100, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.cross, found.hessian)
    squares = mean_squared_inputs(model, spot, x)[0]
    np.testing.assert_allclose(squares, (inputs**2).mean(0), rtol=1e-4)
    np.testing.assert_allclose(mean_inputs(model, spot, x)[0], inputs.mean(0), rtol=1e-4)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_cross_moments_pair_the_dense_models_inputs_with_this_ones(flavour):
    model, x = two_layers(flavour), samples()
    spot = spots(model, [model.layers[1]], x[:1])[0]
    dense = Snapshot(model)
    old = np.asarray(model.layers[0](x)).astype(float)
    kernel = np.asarray(model.layers[0].kernel.numpy())
    model.layers[0].kernel.assign(kernel * [[0.0], [1.0], [1.0], [1.0]])
    new = np.asarray(model.layers[0](x)).astype(float)
    found = moments(model, spot, x, dense)
    np.testing.assert_allclose(found.cross[0], 2 * old.T @ new / 100, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.hessian[0], 2 * new.T @ new / 100, rtol=1e-4, atol=1e-5)
    assert not np.asarray(model.layers[0].kernel.numpy())[0].any()


def test_a_snapshot_leaves_the_model_as_it_was_also_after_an_exception():
    model = two_layers("keras")
    dense = Snapshot(model)
    model.layers[0].kernel.assign(np.ones((4, 3)))
    with pytest.raises(KeyError), dense.restored():
        assert not (np.asarray(model.layers[0].kernel.numpy()) == 1).all()
        raise KeyError
    assert (np.asarray(model.layers[0].kernel.numpy()) == 1).all()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_squared_gradients_are_averaged_over_single_samples(flavour):
    model, x = two_layers(flavour), samples(20)
    y = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)
    weights = prunable_weights(model, "all")
    found = SquaredGradients(model, weights, Calibration(x, y))()
    hidden = np.asarray(model.layers[0](x)).astype(float)
    slopes = np.asarray(model(x)) - y  # of a mean over 2 outputs: 2 (out - y) / 2
    each = hidden[:, :, None] * slopes[:, None, :]
    np.testing.assert_allclose(found[weights[1].name], (each**2).mean(0), rtol=1e-3)


def test_gradients_without_targets_are_refused():
    model = two_layers("keras")
    with pytest.raises(ModelError, match="taylor needs targets"):
        SquaredGradients(model, prunable_weights(model, "all"), Calibration(samples()))


def test_inputs_that_are_not_finite_are_refused():
    model = build("tf_keras", "functional")
    x = dataset(8).x_train
    x[3] = np.nan
    spot = spots(model, [model.get_layer("mix")], x[:1])[0]
    with pytest.raises(ModelError, match="layer 'mix': calibration samples give inputs of inf"):
        moments(model, spot, x)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_fixed_batches_are_kept_and_too_few_samples_refused(flavour):
    keras = import_keras(flavour)
    inputs = keras.layers.Input(batch_shape=(8, 4))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    assert [len(batch) for batch in batches(model, samples(20))] == [8, 8]
    with pytest.raises(ModelError, match="the model wants batches of 8, and there are 5 samples"):
        list(batches(model, samples(5)))
