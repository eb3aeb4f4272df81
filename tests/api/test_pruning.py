import subprocess
import sys

import numpy as np
import pytest
from keras_nets import build, dataset, each_kind, each_kind_too, shown_in_keras

import edgeprune
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras, import_tensorflow


def share(weights):
    return float(np.mean(np.asarray(weights) == 0))


@each_kind
def test_a_model_in_memory_is_pruned_in_a_call_and_stays_as_it_was(flavour, kind):
    model = build(flavour, kind)
    before = [w.copy() for w in model.get_weights()]
    done = edgeprune.prune(model, sparsity=0.75, layers="all", pattern="2x1")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert type(done.keras) is type(model) and done.profiling_only
    assert all(abs(t.zeros / t.weights - 0.75) < 0.1 for t in done.tensors)


@shown_in_keras
def test_with_data_it_is_trained_meanwhile(flavour):
    data, lines = dataset(), []
    done = edgeprune.prune(
        build(flavour, "functional"),
        (data.x_train, data.y_train),
        lines.append,
        epochs=2,
        ignored=["head"],
        limits={"mix": 0.25},
        sparsity=0.4,
        allocation="global",
    )
    assert done.fine_tuned and not done.profiling_only
    assert any(line.startswith("epoch 2/2") for line in lines)
    shares = {t.name: t.zeros / t.weights for t in done.tensors}
    assert "head/kernel" not in shares and shares["mix/kernel"] <= 0.25
    assert sum(t.zeros for t in done.tensors) == pytest.approx(
        0.4 * sum(t.weights for t in done.tensors), abs=2
    )


@each_kind_too
def test_one_callback_prunes_while_fit_trains(flavour, kind):
    keras, data = import_keras(flavour), dataset()
    model = build(flavour, kind)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    masks = edgeprune.masks(model, sparsity=0.8, layers="all")
    model.fit(
        data.x_train,
        data.y_train,
        epochs=2,
        batch_size=8,
        verbose=0,
        callbacks=[masks.callback()],
    )
    assert [share(w.value()) for w in masks.weights] == pytest.approx(
        [0.8] * len(masks.weights), abs=0.05
    )
    assert masks.sparsity() == pytest.approx(0.8, abs=0.02)


def test_fit_that_does_not_know_its_steps_is_refused():
    data = dataset()
    tf = import_tensorflow()
    model = build("tf_keras", "functional")
    model.compile("sgd", "sparse_categorical_crossentropy")
    batches = tf.data.Dataset.from_generator(
        lambda: ((data.x_train[k : k + 4], data.y_train[k : k + 4]) for k in (0, 4)),
        output_signature=(tf.TensorSpec((4, 6, 6, 3)), tf.TensorSpec((4,), tf.int64)),
    )
    with pytest.raises(ModelError, match="give fit steps_per_epoch"):
        model.fit(batches, verbose=0, callbacks=[edgeprune.masks(model).callback()])


@pytest.mark.parametrize(
    "options, line",
    [
        ({"sparsity": 1.0}, r"sparsity must be in \[0, 1\)"),
        ({"pattern": "lace"}, "no pattern is called 'lace'"),
        ({"pattern": "kernel"}, "chooses by a board"),
        ({"ignored": ["no_such"]}, "no layer to prune is called 'no_such'"),
        ({"ignored": ["*"]}, "every layer is ignored"),
        ({"sparsty": 0.5}, "no such option: 'sparsty'; did you mean sparsity"),
        ({"allocation": "fair"}, "allocation must be one of"),
    ],
)
def test_options_that_cannot_be_met_are_refused_in_one_line(options, line):
    with pytest.raises(ModelError, match=line) as caught:
        edgeprune.masks(build("keras", "functional"), **options)
    assert "\n" not in str(caught.value)


def test_what_is_no_keras_model_is_refused():
    with pytest.raises(ModelError, match="expected a model of Keras 2"):
        edgeprune.prune(object())


def test_importing_the_package_brings_no_library():
    code = "import sys, edgeprune; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
