import dataclasses

import numpy as np
import pytest
from keras_nets import FLAVOURS, build, dataset, each_kind_too

from edgeprune.artifacts.dataset import Dataset, TrainingData
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pruning.calibration.samples import calibration, check_samples
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.tasks import Task
from edgeprune.training.capture import Calibration


def spec(**rest):
    return PruneTable(**{"criterion": "wanda", "schedule": "one_shot", "epochs": 0, **rest})


def answered(model, x):
    return np.asarray(model(x, training=False)).argmax(axis=1)


def test_samples_are_drawn_by_the_seed_with_their_targets():
    data = dataset(96)
    kept = TrainingData(data.x_train, data.y_train, Task(()))
    one, again, other = (
        calibration(data, spec(calibration_samples=20, seed=k), kept) for k in (1, 1, 2)
    )
    assert len(one.x) == len(one.y) == 20
    assert np.array_equal(one.x, again.x) and not np.array_equal(one.x, other.x)
    places = [int(np.flatnonzero((data.x_train == x).all(axis=(1, 2, 3)))[0]) for x in one.x]
    assert np.array_equal(one.y, data.y_train[places])
    assert len(calibration(data, spec()).x) == 96


def test_test_samples_are_never_drawn():
    data = dataset(96)
    only_test = Dataset(None, None, data.x_test, data.y_test, "d.npz")
    assert calibration(only_test, spec(criterion="magnitude")) is None
    line = "criterion wanda looks at training samples, and got d.npz without training samples"
    with pytest.raises(ModelError, match=line):
        calibration(only_test, spec())


@pytest.mark.parametrize("criterion", ["taylor", "wanda", "second_order"])
def test_without_data_the_line_says_what_is_missing(criterion):
    line = f"criterion {criterion} looks at training samples, and got no data: give data"
    with pytest.raises(ModelError, match=line):
        calibration(None, spec(criterion=criterion))


def test_taylor_needs_labels_unless_the_model_reproduces_its_input():
    data = dataset(96)
    unlabelled = dataclasses.replace(data, y_train=None)
    assert calibration(unlabelled, spec()).y is None
    with pytest.raises(ModelError, match="has no y_train: give labels, or use the criterion wanda"):
        calibration(unlabelled, spec(criterion="taylor"))
    alone = dataclasses.replace(unlabelled, y_test=None)
    kept = TrainingData(alone.x_train, alone.x_train, Task(()))
    same = calibration(alone, spec(criterion="taylor"), kept)
    assert same.y is same.x or np.array_equal(same.y, same.x)


@each_kind_too
def test_samples_that_the_model_knows_pass(flavour, kind):
    model, x = build(flavour, kind), dataset(96).x_train * 3
    labels = answered(model, x)
    check_samples(model, Calibration(x, labels))
    check_samples(model, Calibration(x))
    check_samples(model, Calibration(x[:8], 3 - labels[:8]))  # too few to tell


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_pixels_in_the_wrong_range_are_refused_in_one_line(flavour):
    """As a model for 0 to 255 sees them when they come as 0 to 1."""
    keras = import_keras(flavour)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((6,)), layers.Dense(16, activation="relu"), layers.Dense(4)]
    )
    model.layers[0].bias.assign(np.linspace(-2000, 100, 16))  # nothing small gets through
    pixels = np.random.default_rng(0).uniform(0, 255, (300, 6)).astype(np.float32) ** 1.3
    labels = answered(model, pixels)
    assert len(np.unique(labels)) > 1
    check_samples(model, Calibration(pixels, labels))
    small = pixels / pixels.max()
    with pytest.raises(ModelError, match=r"(right on .* guessing|all 300).*lie in .* to 1; give"):
        check_samples(model, Calibration(small, labels))


@pytest.mark.parametrize(
    ("x", "line"),
    [
        (np.full((60, 6, 6, 3), np.nan), "calibration samples hold NaN or infinity"),
        (np.zeros((60, 6, 6, 3)), "answers all 60 calibration samples alike: their values lie in"),
        (np.full((60, 6, 6, 3), 1e38), "answers calibration samples with NaN or infinity: their"),
    ],
)
def test_samples_that_tell_nothing_are_refused(x, line):
    with pytest.raises(ModelError, match=line) as raised:
        check_samples(build("keras", "subclassed"), Calibration(x.astype(np.float32)))
    assert "\n" not in str(raised.value)


def test_labels_of_other_samples_are_refused():
    model, x = build("tf_keras", "functional"), dataset(400).x_train * 3
    labels = answered(model, x)
    mixed = np.random.default_rng(0).permutation(labels)
    with pytest.raises(ModelError, match=r"right on [\d.]+% of 400 .* and the labels that belong"):
        check_samples(model, Calibration(x, mixed))


def test_a_guess_that_is_always_the_most_common_label_is_no_better_than_chance():
    keras = import_keras("keras")
    layers = keras.layers
    model = keras.Sequential([layers.Input((3,)), layers.Dense(1, activation="sigmoid")])
    model.layers[0].bias.assign([-50.0])
    model.layers[0].kernel.assign(np.ones((3, 1)))
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    with pytest.raises(ModelError, match=r"right on 95.0% .* guessing would be on 95.0%"):
        check_samples(model, Calibration(x, (np.arange(200) < 10).astype(np.int64)))
