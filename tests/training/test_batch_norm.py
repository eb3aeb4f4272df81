import numpy as np
import pytest
from keras_nets import FLAVOURS

from edgeprune.models.keras.flavours import import_keras
from edgeprune.training.batch_norm import measure_again


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(("chosen", "batch"), [(90, 10), (90, 40), (7, 10)])
def test_statistics_are_those_of_the_chosen_samples(flavour, chosen, batch):
    keras = import_keras(flavour)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.BatchNormalization()])
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, (100, 3)).astype(np.float32)
    x[chosen:] += 1000  # held out: never looked at
    order = rng.permutation(chosen)
    measure_again(model, x, order, batch)
    whole = max(chosen // batch, 1)
    parts = [x[order[k * batch : (k + 1) * batch]] for k in range(whole)]
    norm = model.layers[-1]
    wanted = np.mean([part.mean(axis=0) for part in parts], axis=0)
    assert np.allclose(norm.moving_mean.numpy(), wanted, rtol=1e-4)
    wanted = np.mean([part.var(axis=0) for part in parts], axis=0)
    assert np.allclose(norm.moving_variance.numpy(), wanted, rtol=1e-3)
    assert norm.momentum == 0.99
