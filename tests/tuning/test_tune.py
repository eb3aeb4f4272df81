"""The step ``tune``."""

import dataclasses

import numpy as np
import pytest
from keras_nets import FLAVOURS, build, dataset, loaded

from edgeprune.artifacts.model import ModelFile
from edgeprune.pruning import prune
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.tune_table import TuneTable
from edgeprune.training.context import StageContext
from edgeprune.tuning import tune


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_model_learns_and_its_zeros_stay_zeros(flavour):
    data = dataset()
    table = PruneTable(0.5, layers="all", epochs=1, control=False)
    model = prune(loaded(build(flavour, "functional"), flavour), table, StageContext(data)).model
    before = [np.array(value) for value in model.keras.get_weights()]
    done = tune(model, TuneTable(2), StageContext(data))
    after = [np.asarray(value) for value in done.model.keras.get_weights()]
    kernels = [(a, b) for a, b in zip(before, after, strict=True) if a.ndim > 1 and not a.all()]
    assert kernels and all(not b[a == 0].any() and (a != b).any() for a, b in kernels)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.keras.get_weights(), strict=True))
    assert done.fine_tuned and done.notes[0].startswith("the model was fine-tuned for 2 epochs")


def test_it_sees_the_users_augmentation(monkeypatch):
    seen = []

    def spy(x, kinds, draws):
        seen.append(kinds)
        return x

    monkeypatch.setattr("edgeprune.training.epochs.augmented", spy)
    data = dataclasses.replace(dataset(), augment=("flips",))
    tune(loaded(build("keras", "sequential"), "keras"), TuneTable(1), StageContext(data))
    assert seen and set(seen) == {("flips",)}


def test_what_cannot_be_trained_says_why():
    model = loaded(build("keras", "sequential"), "keras")
    assert tune(model, TuneTable(0), StageContext(dataset())).model is model
    done = tune(model, TuneTable(1), StageContext())
    assert done.model is model and done.notes == ("not tuned: there is no training data",)
    file = dataclasses.replace(model, keras=None, tflite=b"")
    done = tune(file, TuneTable(1), StageContext(dataset()))
    assert done.notes == ("not tuned: a .tflite file cannot be trained",)


def test_a_tuned_model_is_another_one_and_each_table_makes_its_own():
    source = ModelFile("m", "abc", "test")
    model = dataclasses.replace(loaded(build("keras", "sequential"), "keras"), source=source)
    context = StageContext(dataset())
    tuned = [tune(model, TuneTable(1, learning_rate=rate), context).model for rate in (1e-3, 1e-4)]
    assert len({model.identity, *(one.identity for one in tuned)}) == 3
    assert all(one.source == source for one in tuned)
