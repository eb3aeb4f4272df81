import pytest
from channel_models import checked, functional, shapes, sizes
from keras_nets import FLAVOURS

both = pytest.mark.parametrize("flavour", FLAVOURS)


@both
def test_a_dense_layer_after_flatten_loses_rows_for_every_pixel(flavour):
    def body(layers, x):
        x = layers.Flatten()(layers.Conv2D(6, 3, strides=3, name="a")(x))
        return layers.Dense(5, name="head")(x)

    assert shapes(checked(functional(flavour, body)).model)["head/0"] == (2 * 2 * 3, 5)


@both
def test_rows_that_are_reshaped_keep_or_share_their_channels(flavour):
    def body(layers, x):
        x = layers.Conv2D(6, 3, strides=3, name="a")(x)
        x = layers.Reshape((-1, 6))(x)
        x = layers.Dense(12, name="b")(x)
        x = layers.Reshape((4, 4, 3))(x)
        return layers.Conv2D(2, 1, name="c")(x)

    pruned = checked(functional(flavour, body), 0.34)
    assert sizes(pruned) == {"a": 2, "b": 4}
    assert shapes(pruned.model)["c/0"] == (1, 1, 2, 2)


@both
def test_a_reshape_across_channels_holds_them(flavour):
    def body(layers, x):
        x = layers.Conv2D(6, 3, strides=3, name="held")(x)
        return layers.Conv2D(3, 1)(layers.Conv2D(4, 1, name="free")(layers.Reshape((3, 2, 4))(x)))

    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"free": 2}
    assert any("held: 6 of 6" in note and "cuts across channels" in note for note in pruned.notes)


@both
def test_permuting_pixels_passes_and_permuting_channels_holds(flavour):
    def body(layers, x):
        x = layers.Permute((2, 1, 3))(layers.Conv2D(8, 1, name="free")(x))
        x = layers.Permute((3, 1, 2))(layers.Conv2D(8, 1, name="held")(x))
        return layers.Conv2D(3, 1)(x)

    assert sizes(checked(functional(flavour, body))) == {"free": 4}


@both
def test_slices_of_pixels_pass_and_slices_of_channels_hold(flavour):
    def body(layers, x):
        x = layers.Conv2D(8, 1, name="free")(x)[:, 1:, ::2]
        x = layers.Conv2D(8, 1, name="held")(x)[:, :, :, 2:]
        return layers.Conv2D(3, 1)(x)

    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"free": 4}
    assert any("held" in note and "cuts out some channels" in note for note in pruned.notes)
