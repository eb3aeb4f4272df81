import numpy as np
import pytest
from keras_nets import FLAVOURS, loaded

from edgeprune.clustering.fold import fold_batch_norm
from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import clone


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_copy_normalizes_by_what_the_model_learned_of_its_data(flavour):
    layers, keras = import_keras(flavour).layers, import_keras(flavour)
    rng = np.random.default_rng(0)
    x = (100 + 30 * rng.normal(size=(64, 8, 8, 3))).astype(np.float32)
    with quiet():
        adapted = layers.Normalization()
        adapted.adapt(x)
        inputs = keras.Input((8, 8, 3))
        inner = keras.Sequential([layers.Conv2D(4, 3), layers.BatchNormalization()])
        model = loaded(keras.Model(inputs, inner(adapted(inputs))), flavour)
        wanted = np.asarray(model.keras(x, training=False))
        assert np.abs(wanted).max() < 10
        copies = {"clone": clone(model), "folded": fold_batch_norm(model)[0].keras}
    for copied in copies.values():
        found = np.asarray(copied(x, training=False))
        np.testing.assert_allclose(found, wanted, atol=1e-4)
