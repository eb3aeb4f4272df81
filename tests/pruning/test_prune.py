import math

import numpy as np
import pytest
from keras_nets import SHAPE, build, dataset, each_kind, loaded, nested_in_keras

from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.convert import convert
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.tflite import graph
from edgeprune.pruning import prune
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext

ACCELERATED = {
    "sequential": ["mix/kernel", "head/kernel"],
    "functional": ["separable/pointwise_kernel", "mix/kernel", "head/kernel"],
    "nested": ["separable/pointwise_kernel", "mix/kernel", "inner/mix/kernel", "head/kernel"],
    "subclassed": ["mix0/kernel", "mix1/kernel", "head/kernel"],
}


def spec(**rest):
    return PruneTable(**{"sparsity": 0.7, "epochs": 2, "batch_size": 32, **rest})


def wanted_zeros(size, sparsity=0.7):
    return math.floor(sparsity * size + 0.5)


@nested_in_keras
def test_every_kind_of_model_is_pruned_and_fine_tuned_exactly(flavour, kind):
    model = build(flavour, kind)
    before = [w.copy() for w in model.get_weights()]
    lines = []
    done = prune(loaded(model, flavour), spec(), StageContext(dataset(), lines.append))
    assert sorted(t.name for t in done.tensors) == sorted(ACCELERATED[kind])
    assert all(t.zeros == wanted_zeros(t.weights) for t in done.tensors)
    assert all((~done.masks[t.name]).sum() == t.zeros for t in done.tensors)
    assert done.fine_tuned and not done.profiling_only
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    after = done.model.keras.get_weights()
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert all(moved)
    assert len([line for line in lines if line.startswith("epoch")]) == 2
    assert len([line for line in lines if line.startswith("dense: epoch")]) == 2


@each_kind
def test_pruned_zeros_arrive_in_the_converted_file(flavour, kind):
    done = prune(loaded(build(flavour, kind), flavour), spec(), StageContext())
    model = graph.read(convert(done.model))
    zeros = {t.weights: t.zeros for t in done.tensors}
    found = {}
    for tensor in model.subgraphs[0].tensors:
        values = graph.constant(model, tensor)
        if values is not None and values.size in zeros and values.ndim > 1:
            found[values.size] = int((values == 0).sum())
    assert found == zeros
    assert done.profiling_only and not done.fine_tuned and done.control is None


def test_the_control_is_the_dense_model_trained_on_the_same_batches():
    model = loaded(build("tf_keras", "sequential"), "tf_keras")
    one = prune(model, spec(epochs=1), StageContext(dataset()))
    two = prune(model, spec(epochs=1, sparsity=0.3), StageContext(dataset()))
    for a, b in zip(one.control.keras.get_weights(), two.control.keras.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert np.count_nonzero(one.control.keras.get_layer("mix").get_weights()[0] == 0) == 0


def test_all_takes_every_convolution_but_the_depthwise_one():
    done = prune(loaded(build("keras", "sequential"), "keras"), spec(layers="all"), StageContext())
    assert [t.name for t in done.tensors] == ["stem/kernel", "mix/kernel", "head/kernel"]


def test_sparsity_zero_changes_nothing():
    model = loaded(build("keras", "sequential"), "keras")
    done = prune(model, spec(sparsity=0.0), StageContext(dataset()))
    assert done.model is model and not done.masks and not done.profiling_only


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"sparsity": 1.5}, r"sparsity must be in \[0, 1\), got 1.5"),
        ({"sparsity": math.nan}, r"sparsity must be in \[0, 1\), got nan"),
        ({"pattern": "2;4"}, "no pattern is called '2;4'; there are unstructured, kernel, channel"),
        ({"layers": "some"}, "layers must be one of"),
        ({"epochs": 0}, "epochs must be >= 1 with the schedule gradual"),
        ({"schedule": "cubic"}, "schedule must be one of gradual, iterative, one_shot, rigl"),
        ({"rewind": "time"}, "rewind must be one of weights, learning-rate"),
        ({"rounds": 0}, "rounds must be >= 1"),
        ({"learning_rate": 0.0}, "learning_rate must be > 0"),
    ],
)
def test_a_wrong_spec_is_refused_in_one_line(wrong, line):
    model = Loaded(ModelFile("x", "", "tflite"), tflite=b"")
    with pytest.raises(ModelError, match=line) as caught:
        prune(model, spec(**wrong), StageContext())
    assert "\n" not in str(caught.value)


def test_a_model_without_accelerated_layers_is_left_alone_with_a_note():
    keras = import_keras("keras")
    model = keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Conv2D(4, 3)])
    done = prune(loaded(model, "keras"), spec(), StageContext())
    assert not done.tensors and "no pointwise convolution" in done.notes[0]


def test_training_that_diverges_is_an_error():
    data = dataset()
    data.x_train[5:30] = np.inf
    with pytest.raises(ModelError, match="training diverged in epoch 1"):
        prune(loaded(build("tf_keras", "sequential"), "tf_keras"), spec(), StageContext(data))


def test_an_autoencoder_learns_to_reproduce_its_input():
    keras = import_keras("tf_keras")
    layers = keras.layers
    model = keras.Sequential([layers.Input((12,)), layers.Dense(8), layers.Dense(12)])
    x = np.random.default_rng(0).normal(size=(256, 12)).astype(np.float32)
    lines = []
    data = Dataset(x, None, x, None, "made up")
    prune(
        loaded(model, "tf_keras"),
        spec(epochs=4, learning_rate=0.01, control=False),
        StageContext(data, lines.append),
    )
    losses = [
        float(line.split("mse ")[1].split(",")[0]) for line in lines if line.startswith("epoch")
    ]
    assert len(losses) == 4 and losses[-1] < losses[0]


def test_fine_tuning_learns_the_classes():
    model = loaded(build("keras", "subclassed"), "keras")  # ends in logits
    data = dataset(256)
    table = spec(epochs=8, learning_rate=0.02, sparsity=0.5, control=False)
    done = prune(model, table, StageContext(data))
    assert done.control is None
    answers = np.asarray(done.model.keras(data.x_train, training=False)).argmax(1)
    assert (answers == data.y_train).mean() > 0.8
