import dataclasses
import itertools

import numpy as np
import pytest
from full_range import also, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_nets import (
    FLAVOURS,
    KINDS,
    SHAPE,
    build,
    dataset,
    loaded,
    shown_in_keras,
    shown_in_tf_keras,
)

import edgeprune
from edgeprune.artifacts.dataset import Dataset
from edgeprune.clustering import cluster
from edgeprune.errors import ConfigError, ModelError
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.pruning import prune
from edgeprune.qat import qat
from edgeprune.recipe import Recipe, checked
from edgeprune.recipe.channels_table import ChannelsTable
from edgeprune.recipe.cluster_table import ClusterTable
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.qat_table import QatTable
from edgeprune.tasks import Head, Task
from edgeprune.tasks.output import Output, gives_of
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import Teacher, outputs_at, teacher_of
from edgeprune.training.loss import Objective
from edgeprune.training.step import Trainer
from edgeprune.training.training_data import known_data

CLASSES = ("classification", "categorical_crossentropy")
BINARY = ("classification", "binary_crossentropy")
VALUES = ("regression", "mse")


def softmax(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def task_of(name, outputs):
    """A task of one head whose outputs are told apart by their values."""
    task, loss = name
    output = Output("out", outputs.shape[1:])
    gives = "values" if task == "regression" else gives_of(output, outputs)
    return Task((Head("out", output.head_shape, task, "", gives, 2, loss, "top1"),))


def soft(name, taught, found, temperature):
    """The loss, and its gradient by what was found."""
    tf = import_tensorflow()
    taught, found = np.float32(taught), tf.constant(np.float32(found))
    with tf.GradientTape() as tape:
        tape.watch(found)
        value = Objective(task_of(name, found.numpy())).soft(taught, [found], temperature)[0]
    return float(value), tape.gradient(value, found).numpy()


@settings(max_examples=examples(10, 30))
@given(st.integers(0, 10**6), st.floats(0.5, 20), st.integers(2, 7))
def test_the_soft_loss_is_the_papers_less_its_least_value(seed, temperature, classes):
    # Differences under 12: of less probable classes Keras keeps only that they are under 1e-7.
    taught, found = np.random.default_rng(seed).uniform(-6, 6, size=(2, 5, classes))
    wanted, got = softmax(taught / temperature), softmax(found / temperature)
    paper = temperature**2 * -(wanted * np.log(got)).sum(axis=1).mean()
    least = temperature**2 * -(wanted * np.log(wanted)).sum(axis=1).mean()
    value, gradient = soft(CLASSES, taught, found, temperature)
    assert value == pytest.approx(paper - least, rel=1e-3, abs=1e-4)
    assert np.allclose(gradient, temperature * (got - wanted) / 5, atol=1e-3)
    of_probabilities, _ = soft(CLASSES, softmax(taught), softmax(found), temperature)
    assert of_probabilities == pytest.approx(value, rel=1e-2, abs=1e-3)


def test_at_high_temperatures_the_gradient_is_the_difference_of_centred_logits():
    taught, found = np.random.default_rng(0).normal(size=(2, 1, 5))
    gap = (found - found.mean()) - (taught - taught.mean())
    _, gradient = soft(CLASSES, taught, found, 1000.0)
    assert np.allclose(gradient, gap / 5, atol=1e-3)


@pytest.mark.parametrize("is_probability", [True, False])
def test_a_single_output_counts_as_two_classes(is_probability):
    taught, found = np.random.default_rng(1).normal(size=(2, 6, 1))
    two = [np.hstack([z, np.zeros_like(z)]) for z in (taught, found)]
    one = [1 / (1 + np.exp(-z)) if is_probability else z for z in (taught, found)]
    value, _ = soft(BINARY, *one, 3.0)
    assert value == pytest.approx(soft(CLASSES, *two, 3.0)[0], rel=1e-3)


def test_other_outputs_are_compared_as_they_are():
    taught, found = np.random.default_rng(2).normal(size=(2, 4, 3, 3))
    assert soft(VALUES, taught, found, 9.0)[0] == pytest.approx(np.square(taught - found).mean())
    assert soft(VALUES, taught.reshape(4, -1), found, 9.0)[0] == soft(VALUES, taught, found, 1.0)[0]


def learned(flavour, kind):
    """A model that tells the classes apart."""
    keras, data, model = import_keras(flavour), dataset(200), build(flavour, kind)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=kind == "subclassed")
    model.compile(keras.optimizers.Adam(1e-2), loss)
    model.fit(data.x_train, data.y_train, epochs=6, batch_size=32, verbose=0)
    return model


def misleading(model):
    """Samples whose labels are all other classes than the model takes them for."""
    data = dataset(200)
    return dataclasses.replace(data, y_train=(model(data.x_train).numpy().argmax(1) + 1) % 4)


def agreement(model, other, x):
    """Share of inputs that two models take for the same class."""
    return np.mean(model(x).numpy().argmax(1) == other(x).numpy().argmax(1))


FOLLOWING = PruneTable(sparsity=0.5, layers="all", epochs=3, batch_size=16, learning_rate=0.01)


SHOWN = [("keras", "subclassed")]
OTHERS = [pair for pair in itertools.product(FLAVOURS, KINDS) if pair not in SHOWN]


@pytest.mark.parametrize(("flavour", "kind"), [*SHOWN, *(also(*pair) for pair in OTHERS)])
def test_with_all_the_weight_the_dense_model_is_followed_and_no_label(flavour, kind):
    dense = learned(flavour, kind)
    data = misleading(dense)
    spec = dataclasses.replace(FOLLOWING, distillation=1.0)
    done = prune(loaded(dense, flavour), spec, StageContext(data))
    assert "with distillation from the dense model" in done.notes[0]
    for model in (done.keras, done.control.keras):
        assert agreement(model, dense, data.x_train) > 0.5


@pytest.mark.full_range  # the suite trains rounded weights with it and without it
def test_without_it_the_dense_model_is_left():
    dense = learned("tf_keras", "sequential")
    data = misleading(dense)
    alone = dataclasses.replace(FOLLOWING, control=False)
    done = prune(loaded(dense, "tf_keras"), alone, StageContext(data))
    assert "distillation" not in done.notes[0]
    assert agreement(done.keras, dense, data.x_train) < 0.5


@shown_in_keras
def test_regression_learns_the_mean_of_target_and_teacher(flavour):
    keras = import_keras(flavour)
    keras.utils.set_random_seed(0)
    dense = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, name="out")])
    x = np.random.default_rng(0).normal(size=(256, 3)).astype(np.float32)
    taught = dense(x).numpy()
    options = {"sparsity": 0.01, "epochs": 30, "learning_rate": 0.03, "distillation": 0.25}
    done = edgeprune.prune(dense, (x, taught + 1), control=False, **options)
    assert np.allclose(done.keras(x).numpy(), taught + 0.75, atol=0.05)


def centroids(start, weight, context):
    table = ClusterTable(8, epochs=8, learning_rate=0.01, distillation=weight)
    return cluster(start, table, context)


def rounded(start, weight, context):
    return qat(start, QatTable(4, learning_rate=0.01, distillation=weight), "int8", context, {})


@shown_in_tf_keras
@pytest.mark.parametrize("stage", [rounded, also(centroids)])
def test_centroids_and_rounded_weights_follow_the_dense_model_too(flavour, stage):
    dense = learned(flavour, "sequential")
    data = misleading(dense)
    start = loaded(edgeprune.prune(dense, sparsity=0.3, layers="all").keras, flavour)
    alike = {}
    for weight in (0.0, 1.0):
        done = stage(start, weight, StageContext(data, print, teacher=loaded(dense, flavour)))
        alike[weight] = agreement(done.model.keras, dense, data.x_train)
        assert ("distillation" in " ".join(done.notes)) == bool(weight)
    assert alike[1.0] > alike[0.0] + 0.3


@shown_in_keras
def test_gradients_are_of_both_parts_of_the_loss(flavour):
    data, model = dataset(16), build(flavour, "functional")
    x, y = data.x_train, data.y_train
    rng = np.random.default_rng(0)
    answers = softmax(rng.normal(size=(16, 4))).astype(np.float32)
    variables = model.trainable_variables[-2:]
    found = {}
    known = known_data(model, x, y)
    for weight in (0.0, 0.3, 1.0):
        trainer = Trainer(model, flavour, 0.01, known, teacher=Teacher(answers, weight, 2.0))
        found[weight] = trainer.gradients(variables, x, y, answers)
    plain = Trainer(model, flavour, 0.01, known).gradients(variables, x, y)
    for hard, mixed, soft_one, alone in zip(*found.values(), plain, strict=True):
        assert np.allclose(hard, alone, atol=1e-6) and not np.allclose(hard, soft_one, atol=1e-3)
        assert np.allclose(mixed, 0.7 * hard + 0.3 * soft_one, atol=1e-5)


@pytest.mark.parametrize("schedule", ["rigl", also("iterative")])
def test_every_schedule_takes_a_teacher(schedule):
    spec = PruneTable(schedule=schedule, epochs=1, rounds=1, distillation=0.5, control=False)
    done = prune(loaded(build("keras", "functional"), "keras"), spec, StageContext(dataset()))
    assert done.fine_tuned


@shown_in_tf_keras
def test_a_model_that_insists_on_a_batch_size_answers_to_every_sample(flavour):
    keras = import_keras(flavour)
    inputs = keras.layers.Input(batch_shape=(8, *SHAPE))
    outputs = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(inputs))
    model, x = keras.Model(inputs, outputs), dataset(19).x_train
    task = known_data(model, x, np.arange(19) % 3).task
    found = teacher_of(model, x, 0.5, 4.0, task).answers
    weights, bias = model.get_weights()
    assert np.allclose(found, x.mean(axis=(1, 2)) @ weights + bias, atol=1e-5)


def test_a_model_is_traced_for_several_batches_alone():
    """A teacher of samples that are drawn anew is asked a batch at a time."""
    keras, tf, seen = import_keras("keras"), import_tensorflow(), []

    class Noticed(keras.layers.Layer):
        def call(self, inputs):
            seen.append(tf.executing_eagerly())
            return inputs

    model = keras.Sequential([keras.layers.Input((3,)), Noticed(), keras.layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    seen.clear()
    [some], asked = outputs_at(model, x[:7]), [*seen]
    seen.clear()
    [every] = outputs_at(model, x)
    assert asked == [True] and seen == [False]
    assert every.shape == (300, 2) and np.allclose(every[:7], some, atol=1e-6)


def test_without_a_weight_nobody_is_asked():
    task = task_of(VALUES, np.zeros((1, 1)))
    assert teacher_of(None, dataset().x_train, 0.0, 4.0, task) is None


def test_a_teacher_that_knows_nothing_is_refused():
    model, data = build("keras", "sequential"), dataset(8)
    x, known = data.x_train, known_data(model, data.x_train, data.y_train)
    with pytest.raises(ModelError, match="no finite numbers, so it cannot teach"):
        teacher_of(model, np.full_like(x, np.nan), 0.5, 4.0, known.task)
    with pytest.raises(ModelError, match="the dense model cannot teach"):
        teacher_of(model, x[:, :4], 0.5, 4.0, known.task)
    teacher = Teacher(np.zeros((8, 7), np.float32), 0.5, 4.0)
    with pytest.raises(ModelError, match=r"answers with 7 values, and the model .* with 4"):
        Trainer(model, "keras", 0.01, known, teacher=teacher)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ({"distillation": 1.5}, r"distillation must be in \[0, 1\], got 1.5"),
        ({"distillation": float("nan")}, r"distillation must be in \[0, 1\], got nan"),
        ({"temperature": 0.0}, "temperature must be > 0 and finite, got 0"),
        ({"temperature": float("inf")}, "temperature must be > 0 and finite, got inf"),
    ],
)
def test_values_out_of_range_are_refused(option, line):
    with pytest.raises(ModelError, match=line):
        edgeprune.prune(build("keras", "sequential"), **option)
    for recipe, where in (
        (Recipe(prune=PruneTable(**option)), r"\[prune\] "),
        (Recipe(cluster=ClusterTable(**option)), r"\[cluster\] "),
        (Recipe(qat=QatTable(**option)), r"\[qat\] "),
        (Recipe(channels=ChannelsTable(**option)), r"\[channels\] "),
    ):
        with pytest.raises(ConfigError, match=where + line):
            checked(recipe)


def test_an_autoencoder_is_its_own_target_and_may_be_taught():
    x = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    keras = import_keras("keras")
    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(6)])
    spec = PruneTable(epochs=1, distillation=0.5, control=False)
    assert prune(
        loaded(model, "keras"), spec, StageContext(Dataset(x, None, x[:4], None, "x"))
    ).fine_tuned
