import pytest
from channel_models import checked, functional, sizes
from keras_nets import FLAVOURS, in_turn

both = pytest.mark.parametrize("flavour", FLAVOURS)


def around(norm):
    def body(layers, x):
        x = norm(layers)(layers.Conv2D(8, 1, name="before")(x))
        x = layers.Conv2D(8, 1, name="after")(x)
        return layers.Conv2D(3, 1, name="end")(x)

    return body


@in_turn("options", [{}, {"scale": False}, {"center": False, "scale": False}])
def test_batch_normalization_passes_with_or_without_its_weights(flavour, options):
    body = around(lambda layers: layers.BatchNormalization(**options))
    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"before": 4, "after": 4}
    assert any(layer.weights[-1].shape[0] == 4 for layer in pruned.model.layers if layer.weights)


@in_turn("kind", ["LayerNormalization", "UnitNormalization", "GroupNormalization"])
def test_normalization_over_channels_holds_them(flavour, kind):
    options = {"groups": 2} if kind == "GroupNormalization" else {}
    pruned = checked(functional(flavour, around(lambda layers: getattr(layers, kind)(**options))))
    assert sizes(pruned) == {"after": 4}
    assert any("before: 8 of 8" in n and "normalizes over channels" in n for n in pruned.notes)


@both
def test_batch_normalization_along_rows_holds_the_channels(flavour):
    pruned = checked(functional(flavour, around(lambda layers: layers.BatchNormalization(axis=1))))
    assert sizes(pruned) == {"after": 4}


@both
def test_one_rescaling_passes_and_one_for_each_channel_holds(flavour):
    assert sizes(checked(functional(flavour, around(lambda layers: layers.Rescaling(0.5))))) == {
        "before": 4,
        "after": 4,
    }
    scales = [float(k) for k in range(8)]
    pruned = checked(functional(flavour, around(lambda layers: layers.Rescaling(scales))))
    assert sizes(pruned) == {"after": 4}


@in_turn("shared_axes", [None, [1, 2], [1, 2, 3]])
def test_slopes_of_prelu_go_with_their_channels(flavour, shared_axes):
    body = around(lambda layers: layers.PReLU(shared_axes=shared_axes))
    assert sizes(checked(functional(flavour, body))) == {"before": 4, "after": 4}


@in_turn("kind", ["Softmax", "softmax"])
def test_softmax_over_channels_holds_them(flavour, kind):
    body = around(lambda layers: layers.Softmax() if kind == "Softmax" else layers.Activation(kind))
    assert sizes(checked(functional(flavour, body))) == {"after": 4}


@both
def test_statistics_of_the_data_hold_the_inputs_that_stay_anyway_without_a_word(flavour):
    def body(layers, x):
        x = layers.Conv2D(8, 1, name="before")(layers.Normalization()(x))
        return layers.Conv2D(3, 1, name="end")(x)

    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"before": 4} and len(pruned.notes) == 1  # on the outputs
