import pytest
from channel_models import checked, functional, sizes

from edgeprune.models.keras.flavours import import_keras, import_tensorflow


@pytest.mark.parametrize("function", ["relu", "relu6", "silu", "gelu", "sigmoid", "tanh"])
def test_tensorflows_activations_pass(function):
    tf = import_tensorflow()

    def body(layers, x):
        x = getattr(tf.nn, function)(layers.Conv2D(8, 1, name="a")(x))
        return layers.Conv2D(4, 1)(x)

    assert sizes(checked(functional("tf_keras", body))) == {"a": 4}


@pytest.mark.parametrize("flavour", ["keras", "tf_keras"])
def test_means_over_pixels_pass_and_over_channels_hold(flavour):
    tf = import_tensorflow()

    def mean(x, axis):
        if flavour == "keras":
            return import_keras("keras").ops.mean(x, axis, keepdims=True)
        return tf.reduce_mean(x, axis, keepdims=True)

    def body(layers, x):
        free = mean(layers.Conv2D(8, 1, name="free")(x), [1, 2])
        held = mean(layers.Conv2D(8, 1, name="held")(x), -1)
        return layers.Conv2D(4, 1)(free), held

    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"free": 4}
    assert any("held" in note and "reduces over channels" in note for note in pruned.notes)


def test_tf_concat_joins_and_an_unknown_function_holds():
    tf = import_tensorflow()

    def body(layers, x):
        x = tf.concat([layers.Conv2D(n, 1, name=f"c{n}")(x) for n in (4, 6)], axis=-1)
        x = tf.reverse(layers.Conv2D(8, 1, name="held")(x), [-1])
        return layers.Conv2D(4, 1)(x)

    pruned = checked(functional("tf_keras", body))
    assert sizes(pruned) == {"c4": 2, "c6": 3}
    assert any("calls tf.reverse, for which there is no rule" in note for note in pruned.notes)


def test_operations_of_keras_3_pass():
    def body(layers, x):
        ops = import_keras("keras").ops
        x = ops.relu(layers.Conv2D(8, 1, name="a")(x))
        x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, 64, 8))
        return layers.Dense(3)(ops.concatenate([x, layers.Dense(4, name="b")(x)], axis=-1))

    assert sizes(checked(functional("keras", body))) == {"a": 4, "b": 2}


@pytest.mark.parametrize("axis", [1, -1])
def test_an_average_over_an_axis_is_not_the_layer_that_averages_tensors(axis):
    def body(layers, x):
        x = layers.Conv2D(8, 1, name="a")(x)
        x = import_keras("keras").ops.average(x, axis=axis)
        return layers.Dense(3)(layers.Dense(4, name="b")(x))

    assert sizes(checked(functional("keras", body))) == {"b": 2}
