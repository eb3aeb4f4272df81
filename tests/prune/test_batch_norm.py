import numpy as np
import pytest

from edgeprune.keras_flavours import import_keras
from edgeprune.prune.batch_norm import measure_again


@pytest.mark.parametrize("flavour", ["keras", "tf_keras"])
@pytest.mark.parametrize("used", [8, 30, 32, 64])
def test_statistics_are_those_of_the_samples_named_and_of_no_others(flavour, used):
    keras = import_keras(flavour)
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3,)), norm])
    x = np.random.default_rng(0).normal(5, 2, (64, 3)).astype(np.float32)
    x[used:] = 1000
    measure_again(model, x, np.arange(used), 8)
    batches = x[: used // 8 * 8].reshape(-1, 8, 3)
    np.testing.assert_allclose(norm.moving_mean.numpy(), batches.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), batches.var(1).mean(0), rtol=1e-4)
    assert norm.momentum == 0.99
