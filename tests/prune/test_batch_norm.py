import numpy as np
import pytest
from keras_nets import FLAVOURS

from edgeprune.keras_flavours import import_keras
from edgeprune.prune.batch_norm import measure_again


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_means_are_those_of_whole_batches_of_the_samples_named(flavour):
    keras = import_keras(flavour)
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.layers.Input((3,)), norm])
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, (400, 3)).astype(np.float32)
    order = rng.permutation(400)[:360]
    measure_again(model, x, order, 16)
    assert np.allclose(norm.moving_mean.numpy(), x[order[:352]].mean(axis=0), atol=1e-4)
    batches = x[order[:352]].reshape(22, 16, 3)
    assert np.allclose(norm.moving_variance.numpy(), batches.var(axis=1).mean(axis=0), rtol=1e-4)
    assert norm.momentum == 0.99
