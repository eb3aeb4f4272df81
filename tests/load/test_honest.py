"""Models that people really save pass the guard, in every format that can hold them."""

import itertools

import numpy as np
import pytest
from full_range import also
from keras_nets import save

from edgeprune.console.quiet import quiet
from edgeprune.load import load
from edgeprune.models.keras.flavours import application_layers, import_keras, import_tensorflow


def recurrent(k):
    layers = k.layers
    x = inputs = layers.Input((6, 4))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True, kernel_regularizer="l2"))(x)
    x = layers.GRU(4, return_sequences=True, reset_after=False)(x)
    x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])(x)
    return k.Model(inputs, layers.Dense(1, bias_constraint="non_neg")(x))


def augmented(k):
    layers = k.layers
    norm = layers.Normalization(axis=-1)
    norm.adapt(np.random.default_rng(0).random((4, 8, 8, 3)).astype("f4"))
    return k.Sequential(
        [
            layers.Input((8, 8, 3)),
            norm,
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.1),
            layers.RandomContrast(0.1),
            layers.Resizing(6, 6),
            layers.Conv2D(4, 3, kernel_initializer=k.initializers.HeNormal(seed=3)),
            layers.LeakyReLU(),
            layers.GlobalMaxPooling2D(),
            layers.Dense(2, activation="gelu"),
        ]
    )


def several(k):
    layers = k.layers
    a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
    shared = layers.Dense(4, name="shared")
    inner = k.Sequential([layers.Input((4,)), layers.Dense(3), layers.ReLU(max_value=6)])
    x = layers.Concatenate()([shared(a), shared(b)])
    y = layers.Add()([inner(shared(a)), inner(b)])
    return k.Model({"a": a, "b": b}, {"p": layers.Dense(1)(x), "q": layers.Dense(2)(y)})


def mixed(k):
    layers, policy = k.layers, "mixed_float16"
    x = inputs = layers.Input((8, 8, 3))
    x = layers.SeparableConv2D(4, 3, dtype=policy)(x)
    x = layers.Flatten()(layers.BatchNormalization(dtype=policy)(x))
    return k.Model(inputs, layers.Activation("softmax", dtype="float32")(layers.Dense(2)(x)))


def compiled(k):
    """With a loss of the user's own, whose code is not in the file and not needed."""
    model = k.Sequential([k.layers.Input((4,)), k.layers.Dense(2)])
    model.compile("adam", lambda a, b: a - b)
    return model


def functions(k):
    layers = k.layers
    x = inputs = layers.Input((6, 6, 3))
    x = layers.Conv2D(4, 3)(x)
    if k.__name__ == "keras":
        ops = k.ops
        x = ops.relu(x)[:, 1:, ...] * 2 + 1
        a, b = ops.split(ops.mean(x, axis=(1, 2)), 2, axis=1)
        x = ops.concatenate([a, ops.where(a > 0, a, b)], axis=-1)
        x = ops.einsum("ab,bc->ac", x, np.ones((4, 4), "f4"))
    else:
        tf = import_tensorflow()
        x = tf.nn.relu(x)[:, 1:, ...] * 2 + 1
        a, b = tf.split(tf.reduce_mean(x, [1, 2]), 2, axis=1)
        x = tf.concat([a, tf.where(a > 0, a, b)], -1)
        x = tf.clip_by_value(tf.reshape(x, (-1, 4)), -1.0, 1.0)
    return k.Model(inputs, layers.Dense(2)(x))


NETS = (recurrent, augmented, several, mixed, compiled, functions)
CANNOT = {("keras", functions, "h5"), ("tf_keras", functions, "keras")}
"""What a Keras cannot save in a format, or not load again."""


SAVED = [
    (flavour, make, ending)
    for flavour, endings in (("keras", ("h5", "keras")), ("tf_keras", ("h5", "keras", "tf")))
    for make in NETS
    for ending in endings
    if (flavour, make, ending) not in CANNOT
]
BY_NET = [list(cases) for _, cases in itertools.groupby(SAVED, key=lambda case: case[:2])]
SHOWN = [
    cases[k // 2 % len(cases)]
    for k, cases in enumerate(BY_NET)
    if k % 2 == k // len(NETS)  # in turn, and the other way round in the other Keras
]
"""Every network of one Keras in one format, and every format of either with some network."""


@pytest.mark.parametrize(
    ("flavour", "make", "ending"),
    [one if one in SHOWN else also(*one) for one in SAVED],
)
def test_honest_models_are_loaded_as_they_were_saved(flavour, make, ending, tmp_path):
    keras = import_keras(flavour)
    keras.utils.set_random_seed(0)
    with quiet():
        model = make(keras)
        options = {"save_format": "tf"} if ending == "tf" else {}
        path = save(model, tmp_path / f"model.{ending}", **options)
    found = load(path)
    assert found.keras is not None and found.flavour == flavour
    size = sum(np.size(weight) for weight in model.get_weights())
    assert sum(np.size(weight) for weight in found.keras.get_weights()) == size


@pytest.mark.parametrize(
    ("flavour", "name"),
    [
        ("keras", "MobileNetV3Small"),
        also("tf_keras", "ConvNeXtTiny"),
        also("tf_keras", "MobileNetV3Small"),
        also("keras", "ConvNeXtTiny"),
        also("keras", "InceptionResNetV2"),
        also("tf_keras", "InceptionResNetV2"),
    ],
)
def test_descriptions_of_keras_applications_pass(flavour, name):
    """Those that need functions or layers of their own; no weights are saved."""
    import json

    from edgeprune.load.keras_description import check_description
    from edgeprune.load.keras_graph import check_layer_graph
    from edgeprune.load.keras_json import read_description

    keras = import_keras(flavour)
    with quiet(), application_layers(flavour):
        model = getattr(keras.applications, name)(weights=None)
        text = json.dumps(keras.saving.serialize_keras_object(model))
    tree = read_description(text, name)
    check_description(tree, name)
    check_layer_graph(tree, name)


@pytest.mark.parametrize("flavour", ["keras", "tf_keras"])
def test_files_that_were_packed_and_cut_into_chunks_afterwards_are_loaded(flavour, tmp_path):
    """As ``h5repack`` leaves them."""
    import h5py

    keras = import_keras(flavour)
    with quiet():
        model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(300)])
        save(model, tmp_path / "plain.h5")
    with h5py.File(tmp_path / "plain.h5") as source, h5py.File(tmp_path / "m.h5", "w") as target:
        target.attrs.update(source.attrs)

        def repack(name, item):
            copy = target.require_group(name) if isinstance(item, h5py.Group) else None
            if copy is None:
                packed = {"compression": "gzip", "chunks": True, "maxshape": (None,) * item.ndim}
                copy = target.create_dataset(name, data=item[()], **packed)
            copy.attrs.update(item.attrs)

        source.visititems(repack)
    found = load(tmp_path / "m.h5")
    for left, right in zip(found.keras.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
