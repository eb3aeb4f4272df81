import numpy as np
import pytest
from full_range import also

from edgeprune.console.quiet import quiet
from edgeprune.convert import convert, keras_outputs
from edgeprune.load import load
from edgeprune.load.keras_dtype import in_float32
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.verify import check_conversion, sample_inputs
from edgeprune.verify.host import HostModel

ROUNDING = {"mixed_float16": 2e-3, "mixed_bfloat16": 2e-2, "float16": 2e-3, "float64": 1e-5}
"""Largest difference from what the model computes in its own type, as a share of the largest."""


def network(flavour, policy, has_loop=False):
    """Layers of training, normalization, convolutions and perhaps a loop, in one policy."""
    keras = import_keras(flavour)
    layers = keras.layers
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy(policy)
    try:
        x = inputs = keras.Input((8, 8, 3))
        for layer in (
            layers.Rescaling(1 / 255),
            layers.RandomTranslation(0.1, 0.1),
            layers.Normalization(mean=[0.5] * 3, variance=[0.1] * 3),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            keras.Sequential([layers.SeparableConv2D(6, 3), layers.LeakyReLU()]),
            layers.Dropout(0.2),
            layers.Reshape((6, 36)),
            layers.GRU(5) if has_loop else layers.Flatten(),
            layers.Dense(4),
            layers.Activation("softmax", dtype="float32"),
        ):
            x = layer(x)
        return keras.Model(inputs, x)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def outputs(model, samples):
    rows = [model(np.concatenate(one), training=False) for one in samples]
    return np.concatenate([np.asarray(row, np.float32) for row in rows])


def check(model, path, policy):
    loaded = load(path)
    tflite = convert(loaded)
    samples = [[one[0] * 255] for one in sample_inputs(tflite, None, 6)]
    host = HostModel(tflite, reference=True)
    assert {tensor.type for tensor in (*host.input_tensors, *host.output_tensors)} == {0}
    found = np.concatenate([host(one)[0] for one in samples])
    wanted = outputs(model, samples)
    assert np.abs(found - wanted).max() <= ROUNDING[policy] * np.abs(wanted).max()
    check_conversion(tflite, samples, keras_outputs(loaded, samples))
    return loaded


@pytest.mark.parametrize(
    "flavour, policy",
    [
        ("keras", "mixed_float16"),
        ("keras", "float64"),
        also("keras", "float16"),
        also("keras", "mixed_bfloat16"),
        also("tf_keras", "mixed_float16"),  # as below, in another file
    ],
)
def test_a_model_in_another_float_is_taken_as_float32(flavour, policy, tmp_path):
    path = tmp_path / ("net.keras" if flavour == "keras" else "net.h5")
    with quiet():
        model = network(flavour, policy, has_loop=policy == "mixed_float16")
        model.save(path)
        loaded = check(model, path, policy)
    assert {str(getattr(w.dtype, "name", w.dtype)) for w in loaded.keras.trainable_weights} == {
        "float32"
    }
    (note,) = loaded.notes
    assert policy in note and "taken as float32" in note


@pytest.mark.parametrize("has_loop", [False, also(True)])
def test_a_folder_of_keras_2_in_another_float_too(has_loop, tmp_path):
    with quiet():
        model = network("tf_keras", "mixed_float16", has_loop)
        model.save(tmp_path / "net")
        check(model, tmp_path / "net", "mixed_float16")


@pytest.mark.parametrize("dtype", ["bfloat16", also("float16"), also("float64")])
def test_a_function_in_another_float_computes_in_float32(dtype, tmp_path):
    tf = import_tensorflow()
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=size).astype(np.float32) / 4 for size in ((8, 6), (6, 3)))

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.second = tf.Variable(tf.cast(second, dtype))

        @tf.function(input_signature=[tf.TensorSpec([None, 8], dtype, name="x")])
        def run(self, x):
            y = tf.nn.relu(x @ tf.cast(first, dtype))
            _, y = tf.while_loop(
                lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(y)), [tf.constant(0), y]
            )
            return {"y": tf.cast(y @ self.second, tf.float32)}

    net = Net()
    with quiet():
        tf.saved_model.save(net, str(tmp_path / "net"), {"serving_default": net.run})
        tflite = convert(load(tmp_path / "net"))
    x = rng.random((1, 8), np.float32)
    host = HostModel(tflite, reference=True)
    assert host.input_tensors[0].type == 0
    wanted = np.tanh(np.tanh(np.tanh(np.maximum(x @ first, 0)))) @ second
    np.testing.assert_allclose(host([x])[0], wanted, rtol=2e-2, atol=2e-2)


def test_only_the_types_of_layers_are_changed():
    tree = {
        "dtype": "mixed_float16",
        "layers": [
            {"config": {"dtype": "int32", "name": "float16"}},
            {"config": {"dtype": {"class_name": "DTypePolicy", "config": {"name": "float64"}}}},
            {"config": {"dtype": {"class_name": "Quantized", "config": {"name": "float16"}}}},
        ],
    }
    changed, found = in_float32(tree)
    assert found == {"mixed_float16", "float64"}
    assert changed["dtype"] == changed["layers"][1]["config"]["dtype"] == "float32"
    assert changed["layers"][0] == tree["layers"][0]
    assert changed["layers"][2] == tree["layers"][2]
