import pytest
from channel_models import SHAPE, checked, functional
from full_range import examples
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from keras_nets import FLAVOURS

from edgeprune.models.keras.flavours import import_keras


def conv(layers, x, size):
    x = layers.Conv2D(size, 3, padding="same", use_bias=size % 2 == 0)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def strided(layers, x, size):
    return layers.Conv2D(size, 1, strides=2, padding="same", activation="tanh")(x)


def depthwise(layers, x, size):
    return layers.DepthwiseConv2D(3, padding="same", depth_multiplier=1 + size % 2)(x)


def separable(layers, x, size):
    return layers.SeparableConv2D(size, 3, padding="same", depth_multiplier=1 + size % 2)(x)


def residual(layers, x, size):
    y = layers.Conv2D(size, 3, padding="same", activation="relu")(x)
    return layers.Add()([x, layers.Conv2D(x.shape[-1], 1)(y)])


def projected(layers, x, size):
    return layers.Add()([layers.Conv2D(size, 1)(x), layers.Conv2D(size, 3, padding="same")(x)])


def joined(layers, x, size):
    branch = layers.MaxPooling2D(3, 1, padding="same")(x)
    return layers.Concatenate()([x, layers.Conv2D(size, 1)(x), branch])


def excited(layers, x, size):
    y = layers.GlobalAveragePooling2D()(x)
    y = layers.Dense(size, activation="relu")(layers.Reshape((1, 1, x.shape[-1]))(y))
    return layers.Multiply()([x, layers.Dense(x.shape[-1], activation="sigmoid")(y)])


def gated_by_one(layers, x, size):
    return layers.Multiply()([layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x), x])


def grouped(layers, x, size):
    x = layers.Conv2D(2 * size, 1)(x)
    return layers.Conv2D(4 * size, 3, padding="same", groups=size)(x)


def twice(layers, x, size):
    shared = layers.Conv2D(x.shape[-1], 3, padding="same", activation="tanh")
    return shared(shared(x))


def nested(layers, x, size):
    keras = import_keras("tf_keras" if "tf_keras" in layers.__name__ else "keras")
    inputs = layers.Input(tuple(x.shape)[1:])
    inner = conv(layers, inputs, size)
    model = keras.Model(inputs, layers.Concatenate()([inner, inputs]))
    return model(x)


def upsampled(layers, x, size):
    y = layers.Conv2DTranspose(size, 2, strides=2, activation="relu")(x)
    return layers.AveragePooling2D(2)(y)


def over_channels(layers, x, size):
    return layers.LayerNormalization()(layers.Conv2D(size, 1)(x))


BLOCKS = [
    *(conv, strided, depthwise, separable, residual, projected, joined, excited, gated_by_one),
    *(grouped, twice, nested, upsampled, over_channels),
]


def pooled(layers, x):
    return layers.GlobalAveragePooling2D()(x)


def flat(layers, x):
    return layers.Flatten()(layers.MaxPooling2D(2, padding="same")(x))


def row(layers, x):
    _, height, width, size = x.shape
    x = layers.Reshape((height * width, size))(x)
    return layers.Reshape((height * width * size,))(x)


PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking models takes minutes

steps = st.lists(st.tuples(st.sampled_from(BLOCKS), st.integers(2, 7)), min_size=1, max_size=5)


@pytest.mark.parametrize("flavour", FLAVOURS)
@settings(
    max_examples=examples(4, 12),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=PHASES,
)
@given(
    steps,
    st.sampled_from([pooled, flat, row]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.3, 0.5, 0.8]),
    st.sampled_from(["local", "global", "macs"]),
)
def test_a_pruned_model_answers_like_the_masked_one(
    flavour, blocks, head, second_input, second_output, ratio, scope
):
    def body(layers, image, other=None):
        x = layers.Conv2D(6, 3, padding="same", name="stem")(image)
        if other is not None:
            x = layers.Add()([x, layers.Conv2D(6, 1, name="other")(other)])
        for block, size in blocks:
            x = block(layers, x, size)
        y = layers.Dense(5, name="head")(layers.Dense(9, activation="relu")(head(layers, x)))
        return [y, layers.Conv2D(4, 1, name="map")(x)] if second_output else y

    model = functional(flavour, body, *([SHAPE, SHAPE] if second_input else [SHAPE]))
    checked(model, ratio, scope=scope)
