import numpy as np
import pytest
from keras_nets import build, dataset, each_kind

from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning.budget.output_errors import additive, error, output_errors
from edgeprune.pruning.masks.masking import prune_weight

POINTS = (0.0, 0.5, 0.75, 0.95)


@each_kind
def test_every_layer_of_every_kind_of_model_loses_something_and_changes_nothing(flavour, kind):
    model = build(flavour, kind)
    before = [np.array(value) for value in model.get_weights()]
    weights = prunable_weights(model, "all")
    found = output_errors(model, weights, dataset().x_train, POINTS)
    assert list(found) == [weight.name for weight in weights]
    for errors in found.values():
        assert errors[0] == 0
        assert np.all(errors[1:] > 0) and np.all(errors <= 1)
        assert errors[-1] > errors[1]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("groups", [1, 2])
def test_it_is_what_is_lost_of_the_outputs_when_the_rest_is_scaled_as_fits_best(groups):
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    convolution = layers.Conv2D(8, 3, padding="same", groups=groups, use_bias=False)
    model = keras.Sequential([layers.Input((6, 6, 4)), convolution])
    x = np.random.default_rng(0).normal(1, 1, (5, 6, 6, 4)).astype(np.float32)
    weight = prunable_weights(model, "all")[0]
    (errors,) = output_errors(model, [weight], x, (0.6,)).values()
    dense = model(x).numpy()
    prune_weight(weight, 0.6)
    pruned = model(x).numpy()
    scale = (pruned * dense).sum() / np.square(pruned).sum()
    wanted = np.square(scale * pruned - dense).sum() / np.square(dense).sum()
    assert errors[0] == pytest.approx(wanted, rel=1e-4)


def test_an_error_becomes_a_loss_and_back():
    errors = np.array([0.0, 0.3, 0.99])
    assert [error(loss) for loss in additive(errors)] == pytest.approx(errors)
    assert np.isfinite(additive(np.array([1.0])))
