import numpy as np
import pytest
from channel_models import checked, functional, shapes, sizes
from keras_nets import FLAVOURS

from edgeprune.channels import prune_channels
from edgeprune.errors import ModelError

both = pytest.mark.parametrize("flavour", FLAVOURS)


@both
def test_a_convolution_loses_outputs_and_the_next_one_inputs(flavour):
    def body(layers, x):
        x = layers.Conv2D(8, 3, activation="relu", name="a")(x)
        return layers.Conv2D(4, 1, name="b")(x)

    pruned = checked(functional(flavour, body))
    assert shapes(pruned.model) == {"a/0": (3, 3, 3, 4), "b/0": (1, 1, 4, 4)}
    assert pruned.notes == ("b: 4 of 4 channels stay: it is an output of the model",)


@both
def test_weights_that_stay_are_the_same_numbers_in_their_old_order(flavour):
    def body(layers, x):
        return layers.Conv2D(4, 1)(layers.Conv2D(8, 3, name="a")(x))

    model = functional(flavour, body)
    pruned = checked(model)
    gone = next(one for one in pruned.removed if one.layer == "a" and one.weight == "kernel")
    old, bias = model.get_layer("a").get_weights()
    stays = np.setdiff1d(np.arange(8), gone.positions)
    new = pruned.model.get_layer("a").get_weights()
    assert np.array_equal(new[0], old[..., stays]) and np.array_equal(new[1], bias[stays])


@both
def test_depthwise_channels_follow_their_inputs_also_with_a_multiplier(flavour):
    def body(layers, x):
        x = layers.Conv2D(6, 1, name="a")(x)
        x = layers.DepthwiseConv2D(3, depth_multiplier=3, name="d")(x)
        return layers.Conv2D(4, 1, name="b")(layers.BatchNormalization()(x))

    pruned = checked(functional(flavour, body))
    assert [3, 3, 3, 3] in [list(shape) for shape in shapes(pruned.model).values()]
    assert shapes(pruned.model)["b/0"] == (1, 1, 9, 4)


@both
def test_a_separable_convolution_has_both_kernels_cut(flavour):
    def body(layers, x):
        x = layers.Conv2D(6, 1, name="a")(x)
        x = layers.SeparableConv2D(8, 3, depth_multiplier=2, name="s")(x)
        return layers.Conv2D(4, 1, name="b")(x)

    found = shapes(checked(functional(flavour, body)).model)
    assert found["s/0"] == (3, 3, 3, 2) and found["s/1"] == (1, 1, 6, 4)


@both
def test_groups_of_a_grouped_convolution_go_with_their_inputs(flavour):
    def body(layers, x):
        x = layers.Conv2D(8, 1, name="a")(x)
        x = layers.Conv2D(12, 3, groups=4, name="g")(x)
        return layers.Conv2D(4, 1, name="b")(x)

    pruned = checked(functional(flavour, body))
    assert shapes(pruned.model) == {
        "a/0": (1, 1, 3, 4),
        "g/0": (3, 3, 2, 6),
        "b/0": (1, 1, 6, 4),
    }
    assert pruned.model.get_layer("g").groups == 2
    assert "4 units of 2 channels" in pruned.groups[0].details()


@both
def test_transposed_and_one_dimensional_convolutions_are_cut(flavour):
    def body(layers, x, row):
        x = layers.Conv2DTranspose(6, 2, strides=2, name="t")(x)
        x = layers.Conv2DTranspose(4, 2, name="u")(x)
        row = layers.Conv1D(6, 3, padding="causal", name="c")(row)
        return x, layers.Conv1D(2, 3, name="d")(row)

    found = shapes(checked(functional(flavour, body, (4, 4, 3), (9, 2))).model)
    assert found["t/0"] == (2, 2, 3, 3) and found["u/0"] == (2, 2, 4, 3)
    assert found["c/0"] == (3, 2, 3) and found["d/0"] == (3, 3, 2)


@both
def test_an_embedding_loses_columns(flavour):
    def body(layers, x):
        x = layers.Embedding(7, 8, name="e")(x)
        return layers.Dense(3)(layers.GlobalAveragePooling1D()(x))

    assert sizes(checked(functional(flavour, body, (5,), dtype="int32"))) == {"e": 4}


@both
def test_an_inner_softmax_holds_its_channels(flavour):
    def body(layers, x):
        x = layers.Dense(8, activation="softmax", name="soft")(layers.Flatten()(x))
        return layers.Dense(4)(layers.Dense(6, name="free")(x))

    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"free": 3}
    assert any("soft: 8 of 8" in n and "'softmax', which may mix" in n for n in pruned.notes)


@both
def test_a_function_of_ones_own_holds_its_channels_whatever_its_name(flavour):
    def relu(x):
        return x - x[..., :1]

    def body(layers, x):
        x = layers.Dense(8, activation=relu, name="own")(layers.Flatten()(x))
        return layers.Dense(4)(layers.Dense(6, name="free")(x))

    assert sizes(checked(functional(flavour, body))) == {"free": 3}


@both
def test_channels_first_is_refused_with_the_layer_and_the_reason(flavour):
    def body(layers, x):
        x = layers.Conv2D(8, 1, data_format="channels_first", name="first")(x)
        return layers.Conv2D(8, 1, data_format="channels_first")(x)

    message = "first: all channels stay: Conv2D has its channels first: rebuild it"
    with pytest.raises(ModelError, match=message):
        prune_channels(functional(flavour, body), pruning_ratio=0.5)
