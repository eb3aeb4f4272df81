"""What is kept of finished trainings, and for how long."""

import dataclasses
import itertools
import json
import os
import random
import shutil
import time

import numpy as np
import pytest
from damage import damage
from full_range import TIMES, also
from keras_nets import FLAVOURS, dataset, loaded

from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import ModelFile
from edgeprune.channels.stage import remove_channels
from edgeprune.clustering import cluster
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pruning import prune
from edgeprune.qat import qat
from edgeprune.recipe.channels_table import ChannelsTable
from edgeprune.recipe.cluster_table import ClusterTable
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.qat_table import QatTable
from edgeprune.tasks import Task
from edgeprune.training import store
from edgeprune.training.checkpoint import Checkpoint
from edgeprune.training.context import StageContext
from edgeprune.training.store import MAX_BYTES, UNUSED_S, identity_after, make_room, place_of

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path))
    return tmp_path / "training"


def from_file(model, flavour, sha256="ab", made=""):
    source = ModelFile("m", sha256, "test")
    return dataclasses.replace(loaded(model, flavour), source=source, made=made)


def identity(sha256="ab", made="", data=(X, Y), drop=None, beside=(), task=None, **done):
    model = from_file(None, "keras", sha256, made)
    known = None if data is None else TrainingData(*data, task or Task(()))
    return identity_after(model, done, known, max_accuracy_drop=drop, beside=beside)


def test_whatever_a_training_depends_on_makes_it_another_one():
    other = X.copy()
    other[3, 1] += 1
    teacher = from_file(None, "keras", "ef")
    known = [
        identity(),
        identity(sha256="cd"),
        identity(made="12"),
        identity(beside=[teacher]),
        identity(prune={"epochs": 9}),
        identity(prune={"epochs": 8}),
        identity(drop=0.01),
        identity(data=(other, Y)),
        identity(data=(X.astype(np.float32), Y)),
        identity(data=None),
    ]
    assert identity() == known[0] and len(set(known)) == len(known)
    assert all(len(one) == 64 for one in known)


def test_other_code_of_a_training_makes_it_another_one(monkeypatch):
    before = identity()
    monkeypatch.setattr(store, "_code", lambda: "changed")
    assert identity() != before


def test_what_nobody_can_name_is_kept_nowhere():
    assert identity(sha256="") == "" and place_of("") is None
    assert identity(beside=[loaded(None, "keras")]) == ""
    assert identity(criterion=lambda group: group) == ""  # a function, which another may replace


def net(flavour):
    """Batch normalization and noise, so that nothing but the same training gives the same."""
    keras = import_keras(flavour)
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((6, 6, 3), name="image"),
            layers.Conv2D(8, 1, name="mix"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Dropout(0.2, name="dropout"),
            layers.Flatten(name="flat"),
            layers.Dense(4, activation="softmax", name="head"),
        ],
        name="net",
    )
    return from_file(model, flavour)


def pruned(model, context):
    done = prune(model, PruneTable(0.6, epochs=2, distillation=0.5), context)
    return [done.model, done.control], (done.notes, done.masks)


def smaller(model, context):
    done = remove_channels(model, ChannelsTable(0.5, epochs=2, distillation=0.5), context)
    return [done.model, done.control], done.notes


def clustered(model, context):
    done = cluster(model, ClusterTable(8, epochs=2, distillation=0.5), context)
    return [done.model], (done.notes, done.tensors)


def quantized(model, context):
    done = qat(model, QatTable(2, distillation=0.5), "int8", context, {})
    return [done.model], done.notes


STAGES = {one.__name__: one for one in (pruned, smaller, clustered, quantized)}


def weights(models):
    return [np.asarray(value) for one in models for value in one.keras.get_weights()]


def same(ones, others):
    return all(np.array_equal(one, other) for one, other in zip(ones, others, strict=True))


def equal(one, other):
    """Notes, counts and masks alike, whatever holds them."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple):
        return all(map(equal, one, other)) and len(one) == len(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    return one == other


SHOWN = {("keras", "pruned"), ("tf_keras", "clustered"), ("keras", "quantized")}
"""``channels/test_stage.py`` takes the smaller model from the store."""
RESUMED = {"clustered", "quantized"}
"""In the suite; a killed pruning goes on in ``test_loop.py``."""


@pytest.mark.parametrize(
    ("flavour", "stage"),
    [p if p in SHOWN else also(*p) for p in itertools.product(FLAVOURS, STAGES)],
)
def test_trained_resumed_and_taken_from_the_store_are_the_same_bits(
    flavour, stage, tmp_path, monkeypatch
):
    model, data, lines, run = net(flavour), dataset(), [], STAGES[stage]
    drop = 0.9 if stage != "quantized" else None
    whole, about = run(model, StageContext(data, lines.append, max_accuracy_drop=drop))
    epochs = [line for line in lines if "epoch " in line]
    assert len(epochs) == 2 * len(whole)

    def unasked(*arguments):
        raise AssertionError("nothing is trained again, and no teacher is asked")

    lines.clear()
    with monkeypatch.context() as patch:
        patch.setattr("edgeprune.training.loop.Trainer", unasked)
        patch.setattr("edgeprune.training.distillation.outputs_at", unasked)
        taken, again = run(model, StageContext(data, lines.append, max_accuracy_drop=drop))
    assert sum("trained before: taken from" in line for line in lines) == len(whole)
    assert same(weights(whole), weights(taken)) and equal(about, again)
    assert [one.identity for one in whole] == [one.identity for one in taken]
    assert len({model.identity, *(one.identity for one in whole)}) == 1 + len(whole)
    if stage not in RESUMED and not TIMES:
        return

    def cut(line):
        if "epoch 1/2" in line:
            raise KeyboardInterrupt

    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "other"))
    lines.clear()
    with pytest.raises(KeyboardInterrupt):
        run(model, StageContext(data, cut, max_accuracy_drop=drop))
    resumed, later = run(model, StageContext(data, lines.append, max_accuracy_drop=drop))
    assert "resuming after epoch 1/2" in lines
    assert same(weights(whole), weights(resumed)) and equal(about, later)


SPEC = PruneTable(0.6, epochs=1, control=False)


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A home in which one training is kept."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRUNE_HOME", str(home))
        prune(net("keras"), SPEC, StageContext(dataset()))
    return home / "training"


@pytest.fixture
def trained(training, own_store):
    """It is kept in the test's own home too."""
    shutil.copytree(training, own_store)


@pytest.mark.usefixtures("trained")
def test_a_damaged_result_is_trained_again(own_store):
    model, data, lines = net("keras"), dataset(), []
    whole = prune(model, SPEC, StageContext(data))
    [file] = own_store.glob("*/trained.npz")
    content = file.read_bytes()
    foreign = Checkpoint(own_store / "foreign.npz", is_packed=True)
    foreign.save({"weights": [X], "masks": []}, {"notes": [], "masks": []})
    shorter = content[: len(content) // 2]
    kinds = (foreign.path.read_bytes(), damage(content, random.Random(1)), b"", shorter)
    for damaged in kinds if TIMES else kinds[:2]:  # test_checkpoint.py has what is cut off
        file.write_bytes(damaged)
        lines.clear()
        again = prune(model, SPEC, StageContext(data, lines.append))
        assert same(weights([whole.model]), weights([again.model]))
        assert file.stat().st_size == len(content)
        assert not any("taken" in line for line in lines) or damaged not in (b"", shorter)


def test_the_dense_model_beside_is_trained_once_for_all_sparsities():
    model, data, lines = net("keras"), dataset(), []
    for sparsity in (0.5, 0.7):
        prune(model, PruneTable(sparsity, epochs=1), StageContext(data, lines.append))
    assert [line.startswith("dense: trained before") for line in lines if "dense: " in line] == [
        False,
        True,
    ]


@pytest.mark.usefixtures("trained")
def test_the_same_sparsity_from_another_start_is_another_training():
    model, context = net("keras"), StageContext(dataset())
    less = prune(model, dataclasses.replace(SPEC, sparsity=0.4), context)
    direct = prune(model, SPEC, context)
    grown = prune(less.model, SPEC, context)
    assert direct.model.identity != grown.model.identity
    assert not same(weights([direct.model]), weights([grown.model]))


@pytest.mark.usefixtures("trained")
def test_a_result_has_no_optimizer_and_replaces_the_checkpoint(own_store):
    [file] = own_store.glob("*/*")
    assert file.name == "trained.npz"
    with np.load(file) as stored:
        sizes = json.loads(str(stored["about"]))["sizes"]
    values = len(net("keras").keras.variables)
    assert sizes == {"weights": values, "masks": 2}


def entry(folder, name, age_s=0.0, size=1):
    path = folder / (name * 32) / "trained.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * size)
    then_s = time.time() - age_s
    for one in (path, path.parent):
        os.utime(one, (then_s, then_s))
    return path.parent


def test_what_nobody_used_for_long_goes(own_store):
    old, young = entry(own_store, "a", UNUSED_S + 60), entry(own_store, "b", UNUSED_S - 3600)
    other = own_store / "notes"  # not ours
    other.mkdir()
    os.utime(other, (0, 0))
    make_room(own_store)
    assert not old.exists() and young.exists() and other.exists()


def test_beyond_the_limit_the_least_recently_used_go_first(own_store):
    folders = [entry(own_store, name, 60.0 * k, 40_000) for k, name in enumerate("abcd")]
    make_room(own_store, max_bytes=100_000)
    assert [one.exists() for one in folders] == [True, True, False, False]
    make_room(own_store, max_bytes=10)  # the latest stays, however large
    assert [one.exists() for one in folders] == [True, False, False, False]
    assert MAX_BYTES == 4 * 10**9


@pytest.mark.usefixtures("trained")
def test_to_use_a_result_keeps_it_from_going(own_store):
    [file] = own_store.glob("*/trained.npz")
    for one in (file, file.parent):
        os.utime(one, (1, 1))
    prune(net("keras"), SPEC, StageContext(dataset()))
    make_room(own_store)
    assert file.exists()


def test_where_nothing_can_be_written_the_training_is_handed_out_all_the_same(own_store):
    own_store.parent.mkdir(exist_ok=True)
    own_store.write_text("a file in the way")
    lines = []
    done = prune(net("keras"), SPEC, StageContext(dataset(), lines.append))
    assert done.fine_tuned and any("could not be kept: " in line for line in lines)
