import dataclasses

import numpy as np
import pytest
from keras_nets import build, dataset, each_kind_too, loaded, shown_in_keras, shown_in_tf_keras

import edgeprune
from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.convert import convert
from edgeprune.errors import ConfigError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import prunable_weights, walk
from edgeprune.qat import QuantizedActivations, QuantizedWeights, qat, weights
from edgeprune.quantize import quantize
from edgeprune.recipe import Recipe, checked
from edgeprune.recipe.qat_table import QatTable
from edgeprune.recipe.quantize_table import QuantizeTable
from edgeprune.training.context import StageContext
from edgeprune.verify import accuracy

TABLE = QatTable(epochs=2, batch_size=16, learning_rate=1e-3)


def zeros(model):
    return {w.name: w.value() == 0 for w in prunable_weights(model, "all")}


def loss(model, data, keras):
    found = model(data.x_train, training=False).numpy()
    return float(np.mean(keras.losses.sparse_categorical_crossentropy(data.y_train, found)))


@each_kind_too
def test_training_with_rounding_keeps_every_zero_and_moves_the_rest(flavour, kind):
    pruned = edgeprune.prune(build(flavour, kind), sparsity=0.6, layers="all").keras
    before = [w.copy() for w in pruned.get_weights()]
    lines = []
    done = qat(loaded(pruned, flavour), TABLE, "int8", StageContext(dataset(), lines.append), {})
    assert all(np.array_equal(a, b) for a, b in zip(before, pruned.get_weights(), strict=True))
    tuned = done.model.keras
    wanted, found = zeros(pruned), zeros(tuned)
    assert all(np.array_equal(wanted[name], found[name]) for name in wanted)
    after = tuned.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert len(lines) == 2 and "with rounding fine-tuned for 2 epochs" in done.notes[0]
    assert ("only weights were rounded" in " ".join(done.notes)) == (kind == "subclassed")
    assert not any("call" in vars(layer) for _, layer in walk(tuned))
    assert accuracy(quantize(convert(done.model), "int8", None).tflite, dataset()) is not None


@shown_in_tf_keras
def test_codebooks_stay_too(flavour):
    clustered = edgeprune.cluster(
        edgeprune.prune(build(flavour, "functional"), sparsity=0.5, layers="all").keras, 6
    )
    books = {one.name: one.distinct for one in clustered.tensors}
    tuned = qat(clustered.model, TABLE, "int8", StageContext(dataset(), print), books).model.keras
    for old, new in zip(
        prunable_weights(clustered.keras, "all"), prunable_weights(tuned, "all"), strict=True
    ):
        values = new.value()
        assert np.unique(values[values != 0]).size <= books[new.name] <= 6
        assert np.array_equal(old.value() == 0, values == 0)
        assert not np.array_equal(old.value(), values)


@shown_in_keras
@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_the_forward_pass_sees_what_int8_will_store_and_the_step_what_was_there(flavour, kind):
    model = build(flavour, kind)
    before = [w.copy() for w in model.get_weights()]
    after = QuantizedWeights(model).before()
    found = {v.size: v for v in model.get_weights() if v.ndim > 1}
    after()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    kernels = [w for w in before if w.ndim > 1]
    assert all(not np.array_equal(found[k.size], k) for k in kernels)
    for kernel in kernels:
        is_depthwise = kernel.ndim == 4 and kernel.shape[-1] == 1
        rows = kernel.reshape(-1, kernel.shape[-2] if is_depthwise else kernel.shape[-1])
        scale = np.abs(rows).max(0) / 127
        wanted = (np.rint(rows / scale) * scale).reshape(kernel.shape)
        assert np.abs(found[kernel.size] - wanted).max() <= 1e-6


@shown_in_tf_keras
def test_training_makes_up_for_a_rounding_that_hurts(flavour, monkeypatch):
    keras, data = import_keras(flavour), dataset()
    monkeypatch.setattr(weights, "_LARGEST", 1)  # -1, 0 and 1 alone
    model = build(flavour, "sequential")
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, epochs=8, verbose=0)

    def rounded_loss(one):
        after = QuantizedWeights(one).before()
        value = loss(one, data, keras)
        after()
        return value

    table = dataclasses.replace(TABLE, epochs=16, learning_rate=1e-2)
    tuned = qat(
        loaded(model, flavour), table, "int8-weights", StageContext(data, print), {}
    ).model.keras
    assert rounded_loss(tuned) < 0.7 * rounded_loss(model)


@shown_in_keras
def test_outputs_that_the_converter_fuses_are_not_rounded(flavour):
    layers = import_keras(flavour).layers
    inputs = layers.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="conv")(inputs)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    y = layers.Conv2D(4, 1, activation="relu", name="branch")(x)
    x = layers.Flatten(name="flat")(layers.Add(name="sum")([x, y]))
    x = layers.Dense(4, activation="softmax", name="head")(x)
    model = import_keras(flavour).Model(inputs, x)
    rounding = QuantizedActivations(model)
    assert {layer.name for layer in rounding.layers} == {"relu", "branch", "sum"}
    x = dataset().x_train
    plain = model(x, training=False).numpy()
    with rounding:
        first = model(x, training=False).numpy()
        inner = rounding.layers[0](x).numpy()
    assert 0 < np.abs(first - plain).max() < 0.1
    assert np.unique(inner).size <= 256 < np.unique(x[x > 0]).size
    assert np.array_equal(model(x, training=False).numpy(), plain)


def test_without_epochs_data_or_a_keras_model_nothing_is_trained():
    model = loaded(build("keras", "functional"), "keras")
    assert qat(model, QatTable(), "int8", StageContext(dataset(), print), {}).model is model
    without = qat(model, TABLE, "int8", StageContext(say=print), {})
    assert without.model is model and "no training data" in without.notes[0]
    file = Loaded(ModelFile("x.tflite", "", "tflite"), tflite=b"")
    assert (
        "cannot be trained" in qat(file, TABLE, "int8", StageContext(dataset(), print), {}).notes[0]
    )


@pytest.mark.parametrize(
    ("table", "mode", "line"),
    [
        (QatTable(epochs=1), "fp16", r"needs a mode with integer weights .*, got 'fp16'"),
        (QatTable(epochs=-1), "int8", r"\[qat\] epochs must be >= 0"),
        (QatTable(learning_rate=0.0), "int8", r"\[qat\] learning_rate must be > 0"),
    ],
)
def test_a_recipe_out_of_range_is_refused(table, mode, line):
    with pytest.raises(ConfigError, match=line):
        checked(Recipe(qat=table, quantize=QuantizeTable(mode)))
