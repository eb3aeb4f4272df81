import itertools
import re

import numpy as np
import pytest
from full_range import TIMES
from keras_nets import build, dataset, loaded, nested_in_tf_keras, shown_in_keras, shown_in_tf_keras
from nets import eligible

import edgeprune
from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.clustering import cluster
from edgeprune.clustering.fold import fold_batch_norm
from edgeprune.convert import convert
from edgeprune.errors import ConfigError, ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import walk
from edgeprune.models.tflite import graph
from edgeprune.recipe.cluster_table import ClusterCount, ClusterTable
from edgeprune.training.context import StageContext


def filters(tflite):
    """Values of every float filter with its operator's name, in graph order."""
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    return [
        (name, graph.constant(model, graph.stored_source(subgraph, op.inputs[1])))
        for op in subgraph.operators
        if (name := graph.op_name(model, op)) in graph.FILTER_OPERANDS
    ]


def distinct(values):
    return np.unique(values[values != 0]).size


def with_norms(flavour):
    """Batch normalization behind a convolution, a depthwise one and a dense layer; seeded."""
    keras = import_keras(flavour)
    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = layers.Input((6, 6, 3))
    x = layers.Conv2D(8, 3, use_bias=False, name="conv")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = layers.BatchNormalization(scale=False, name="norm_2")(x)
    x = layers.Conv2D(8, 1, activation="relu", name="mix")(x)
    x = layers.BatchNormalization(center=False, name="stays")(x)  # behind an activation
    x = layers.Dense(5, name="dense")(layers.GlobalAveragePooling2D()(x))
    outputs = layers.Softmax()(layers.BatchNormalization(name="norm_3")(x))
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    model.set_weights(
        [w + 0.3 * rng.random(w.shape).astype(np.float32) for w in model.get_weights()]
    )
    return model


@nested_in_tf_keras
def test_weights_of_every_kind_of_model_share_values_and_the_model_stays_as_it_was(flavour, kind):
    model, data = build(flavour, kind), dataset()
    pruned = edgeprune.prune(model, sparsity=0.6, layers="all").keras
    before = [w.copy() for w in pruned.get_weights()]
    done = edgeprune.cluster(pruned, 4, (data.x_train, data.y_train), epochs=1)
    assert all(np.array_equal(a, b) for a, b in zip(before, pruned.get_weights(), strict=True))
    assert done.fine_tuned and type(done.keras) is type(pruned)
    assert all(one.distinct <= 4 and one.zeros >= 0.5 * one.weights for one in done.tensors)
    assert min(one.sqnr_db for one in done.tensors) > 5


@shown_in_tf_keras
def test_training_the_centroids_lowers_the_loss(flavour):
    data, lines = dataset(), []
    cluster(
        loaded(build(flavour, "functional"), flavour),
        ClusterTable(4, epochs=4, learning_rate=1e-2),
        StageContext(data, lines.append),
    )
    losses = [float(re.search(r"entropy ([0-9.]+)", line)[1]) for line in lines]
    assert len(losses) == 4 and losses[-1] < losses[0]


@shown_in_keras
def test_biases_share_values_too_where_that_is_asked_for(flavour):
    model, data = build(flavour, "sequential"), dataset()
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(size=w.shape).astype("f4") for w in model.get_weights()])
    for goal in (0, 2) if TIMES else (2,):
        done = edgeprune.cluster(
            model, 4, (data.x_train, data.y_train), epochs=1, biases=goal, learning_rate=1e-2
        )
        for name in ("stem", "mix", "head"):
            was = model.get_layer(name).bias.numpy()
            now = done.keras.get_layer(name).bias.numpy()
            assert distinct(now) == (goal or was.size)
            assert np.any(was != now)  # they are trained
        assert ("the biases of 4 layers have at most 2" in " ".join(done.notes)) == bool(goal)
        assert all(one.name.endswith("kernel") for one in done.tensors)


@shown_in_tf_keras
def test_rounded_centroids_have_no_low_bits_and_are_the_nearest_that_have_none(flavour):
    model, data = build(flavour, "sequential"), (dataset().x_train, dataset().y_train)
    plain, rounded = (
        edgeprune.cluster(model, 6, data, epochs=1, biases=3, bfloat16=flag).keras
        for flag in (False, True)
    )
    for name, k in itertools.product(("stem", "mix", "head"), (0, 1)):
        exact, found = (one.get_layer(name).get_weights()[k] for one in (plain, rounded))
        assert not (found.view(np.uint32) & 0xFFFF).any()
        assert np.all(np.abs(found - exact) <= np.abs(exact) / 256)


@shown_in_keras
def test_without_batch_normalization_the_values_survive_conversion_to_the_bit(flavour):
    done = edgeprune.cluster(build(flavour, "sequential"), 6)
    stored = {values.size: values for name, values in filters(convert(done.model))}
    for layer in ("stem", "mix", "head"):
        kernel = done.keras.get_layer(layer).kernel.numpy()
        assert np.array_equal(np.unique(stored[kernel.size]), np.unique(kernel))
        assert distinct(kernel) == 6


@shown_in_tf_keras
@pytest.mark.parametrize("fold", [True, False])
def test_folding_first_keeps_one_codebook_and_folding_later_one_per_channel(flavour, fold):
    done = cluster(
        loaded(with_norms(flavour), flavour), ClusterTable(3, fold_batch_norm=fold), StageContext()
    )
    found = [values for name, values in filters(convert(done.model)) if name != "DEPTHWISE_CONV_2D"]
    conv = next(values for values in found if values.shape[1:3] == (3, 3))
    assert all(distinct(channel) <= 3 for channel in conv)
    assert (distinct(conv) <= 3) == fold
    said = " ".join(done.notes)
    assert ("folded 3 batch normalizations" in said) == fold
    assert f"{1 if fold else 4} batch normalizations stay" in said


@shown_in_keras
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_folded_model_answers_as_before_without_its_norms(flavour, is_nested):
    model, keras = with_norms(flavour), import_keras(flavour)
    if is_nested:
        inputs = keras.layers.Input((6, 6, 3))
        model = keras.Model(inputs, keras.layers.Dense(2, name="out")(model(inputs)))
    folded, count = fold_batch_norm(loaded(model, flavour))
    x = dataset().x_train
    wanted, found = model.predict(x, verbose=0), folded.keras.predict(x, verbose=0)
    assert count == 3 and np.abs(found - wanted).max() < 1e-5
    names = [path for path, layer in walk(folded.keras) if "BatchNorm" in type(layer).__name__]
    assert [name.rpartition("/")[2] for name in names] == ["stays"]


@shown_in_tf_keras
def test_a_sequential_model_is_folded_and_what_else_is_read_is_not(flavour):
    layers, models = import_keras(flavour).layers, import_keras(flavour)
    line = models.Sequential(
        [
            layers.Input((6, 6, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            layers.Dense(3),
            layers.BatchNormalization(name="norm_2"),
        ]
    )
    x = dataset().x_train
    folded, count = fold_batch_norm(loaded(line, flavour))
    assert count == 2
    assert np.abs(folded.keras(x).numpy() - line(x).numpy()).max() < 1e-5
    inputs = layers.Input((6, 6, 3))
    twice = layers.Conv2D(3, 1, name="twice")
    a = layers.BatchNormalization()(twice(twice(inputs)))
    b = layers.Conv2D(3, 1, name="read_twice")(a)
    c = layers.Add()([b, layers.BatchNormalization()(b)])
    d = layers.Conv2D(3, 1, name="output")(c)
    graph_ = models.Model(inputs, [d, layers.BatchNormalization()(d)])
    assert fold_batch_norm(loaded(graph_, flavour))[1] == 0


def test_a_subclassed_model_is_not_folded():
    model = loaded(build("keras", "subclassed"), "keras")
    assert fold_batch_norm(model) == (model, 0)


@shown_in_keras
def test_layers_may_have_other_numbers_of_clusters_and_0_leaves_one_alone(flavour):
    model = build(flavour, "sequential")
    table = ClusterTable(8, counts=(ClusterCount("mix", 2), ClusterCount("head", 0)))
    done = cluster(loaded(model, flavour), table, StageContext())
    assert {one.name: one.distinct for one in done.tensors} == {"stem/kernel": 8, "mix/kernel": 2}
    assert np.array_equal(done.keras.get_layer("head").kernel, model.get_layer("head").kernel)


def test_zeros_of_a_layer_that_is_not_clustered_stay_too():
    data = dataset()
    pruned = edgeprune.prune(build("tf_keras", "sequential"), sparsity=0.6, layers="all").keras
    done = edgeprune.cluster(
        pruned, 4, (data.x_train, data.y_train), epochs=1, layers="accelerated", learning_rate=1e-2
    )
    before, after = (m.get_layer("stem").kernel.numpy() for m in (pruned, done.keras))
    assert np.array_equal(before == 0, after == 0) and not np.array_equal(before, after)


def test_0_clusters_change_nothing():
    model = loaded(build("keras", "functional"), "keras")
    assert cluster(model, ClusterTable(), StageContext()).model is model


def test_a_tflite_file_is_clustered_at_once():
    tflite = eligible(0.5)
    model = Loaded(ModelFile("x.tflite", "", "tflite"), tflite=tflite)
    done = cluster(model, ClusterTable(4, layers="accelerated"), StageContext())
    assert done.tensors and all(one.distinct <= 4 for one in done.tensors)
    stored = {values.shape: values for _, values in filters(done.model.tflite)}
    assert any(distinct(values) == 4 for values in stored.values())
    for (_, a), (_, b) in zip(filters(tflite), filters(done.model.tflite), strict=True):
        assert np.array_equal(a == 0, b == 0)


def test_a_layer_that_does_not_exist_is_refused():
    with pytest.raises(ModelError, match="no layer to prune is called 'nix'"):
        edgeprune.cluster(build("keras", "functional"), 4, counts={"nix": 2})


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"clusters": -1}, "clusters must be >= 0"),
        ({"init": "best"}, "init must be one of linear"),
        ({"learning_rate": 0.0}, "learning_rate must be > 0"),
        ({"counts": {"mix": -1}}, "counts: that of mix must be >= 0"),
    ],
)
def test_options_out_of_range_are_refused(options, line):
    with pytest.raises(ConfigError, match=line):
        edgeprune.cluster(build("keras", "functional"), **options)
