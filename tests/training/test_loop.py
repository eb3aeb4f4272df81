"""The limit of the drop, and trainings that are interrupted."""

import contextlib
import dataclasses
import io
import json
import os
import signal

import numpy as np
import pytest
import training_case
from full_range import TIMES, also
from keras_nets import build, dataset, loaded, shown_in_keras

from edgeprune.artifacts.model import ModelFile
from edgeprune.errors import ModelError
from edgeprune.files import paths
from edgeprune.pruning import prune
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext

CASES = [("keras", "rigl", "same", "dense: epoch 1/2"), ("tf_keras", "gradual", "new", "epoch 1/2")]
RARE = ("tf_keras", "iterative", "same", "epoch 3/4")


@pytest.fixture(scope="module")
def homes(tmp_path_factory, nursery):
    """What each of the cases left when it was killed."""
    homes = {}
    for case in [*CASES, RARE] if TIMES else CASES:
        homes[case] = tmp_path_factory.mktemp("killed")
        env = {**os.environ, "EDGEPRUNE_HOME": str(homes[case])}
        child = nursery.program(training_case.__file__, json.dumps(case), env)
        with contextlib.closing(child):
            assert child.wait(600) == -signal.SIGKILL
    return homes


@pytest.mark.parametrize("case", [*CASES, also(RARE)], ids=lambda case: "-".join(case))
def test_a_killed_training_ends_as_if_it_had_not_been(homes, case, tmp_path, monkeypatch):
    *what, line = case
    monkeypatch.setenv("EDGEPRUNE_HOME", str(homes[case]))
    assert list((homes[case] / "training").iterdir())
    said = []
    resumed = training_case.train(*what, said.append)
    after = said[said.index(line.replace("epoch", "resuming after epoch")) + 1 :]
    assert not any(one.startswith(line) for one in said)
    assert {file.name for file in (homes[case] / "training").glob("*/*")} == {"trained.npz"}
    said.clear()
    again = training_case.train(*what, said.append)
    assert [line for line in said if ": loss" in line] == []
    assert len([line for line in said if "trained before: taken from" in line]) == 2
    assert all(np.array_equal(one, two) for one, two in zip(again, resumed, strict=True))
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path))
    said.clear()
    whole = training_case.train(*what, said.append)
    assert any(one.startswith(line) for one in said)
    assert after and said[-len(after) :] == after  # the best epoch's weights could hide the others
    for one, two in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, two)


def from_file(model, flavour, name):
    return dataclasses.replace(loaded(model, flavour), source=ModelFile("m", name, "test"))


def test_a_training_that_diverges_leaves_its_last_good_state():
    data = dataset()
    model = from_file(build("tf_keras", "sequential"), "tf_keras", "diverges")

    def spoil(line):
        if line.startswith("epoch 2/"):
            data.x_train[:] = np.inf

    spec = PruneTable(sparsity=0.5, epochs=3)
    with pytest.raises(ModelError, match=r"epoch 3: .* \(the state after epoch 2 is in .*npz\)"):
        prune(model, spec, StageContext(data, spoil))
    [kept] = (paths.data_folder() / "training").glob("*/epochs.npz")
    state = np.load(kept)
    assert all(np.isfinite(state[name]).all() for name in state.files if "state" in name)
    kept.unlink()


@shown_in_keras
def test_a_limit_that_cannot_be_kept_at_full_sparsity_is_kept_at_less(flavour):
    data = dataset(600)
    learned = prune(
        loaded(build(flavour, "functional"), flavour),
        PruneTable(sparsity=0.01, epochs=10, learning_rate=0.02, control=False),
        StageContext(data),
    )
    spec = PruneTable(
        sparsity=0.97,
        schedule="iterative",
        rounds=4,
        rewind="learning-rate",
        epochs=1,
        control=False,
    )
    lines = []
    done = prune(learned.model, spec, StageContext(data, lines.append, max_accuracy_drop=0.1))
    trained = [line for line in lines if line.startswith("epoch")]
    assert len(trained) < 5
    [note] = [note for note in done.notes if "kept at" in note]
    assert "sparsity" in note and "training stopped after epoch" in note
    kept = sum(t.zeros for t in done.tensors) / sum(t.weights for t in done.tensors)
    assert 0 < kept < 0.9


def test_a_limit_that_is_kept_says_which_accuracy():
    spec = PruneTable(sparsity=0.5, epochs=2, control=False)
    model = loaded(build("keras", "sequential"), "keras")
    done = prune(model, spec, StageContext(dataset(), max_accuracy_drop=1.0))
    assert any("the best epoch is kept: top1" in note for note in done.notes)
    assert all(t.zeros / t.weights == pytest.approx(0.5, abs=0.01) for t in done.tensors)


def test_a_limit_without_samples_to_hold_out_says_so():
    spec = PruneTable(sparsity=0.5, epochs=1, control=False)
    model = loaded(build("keras", "sequential"), "keras")
    done = prune(model, spec, StageContext(dataset(9), max_accuracy_drop=0.1))
    assert any("not watched: too few samples" in note for note in done.notes)


def test_no_limit_says_nothing_and_keeps_the_last_epoch():
    spec = PruneTable(sparsity=0.5, epochs=1, control=False)
    done = prune(loaded(build("keras", "sequential"), "keras"), spec, StageContext(dataset()))
    assert done.notes[0] == "fine-tuned for 1 epoch on 87 samples, 9 others held out"
    assert not any("accuracy" in note for note in done.notes)


def test_every_batch_is_counted_and_every_epoch_kept(tmp_path, monkeypatch):
    from rich.console import Console

    from edgeprune.progress import Progress

    class Heard(Progress):
        def __init__(self):
            super().__init__(Console(file=io.StringIO()))
            self.counts, self.keeps = [], []

        def count(self, count):
            self.counts.append(count)

        def keep(self, what):
            self.keeps.append(what)

    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path))
    with Heard() as heard:
        model = from_file(build("keras", "sequential"), "keras", "counted")
        prune(model, PruneTable(epochs=2, batch_size=16, control=False), StageContext(dataset()))
    batches = [one for one in heard.counts if "batch" in one.text]
    assert [one.done for one in batches] == list(range(1, batches[0].total + 1))
    assert batches[-1].text.startswith("epoch 2 of 2, batch ")
    assert "up to epoch 1 of 2 is kept" in heard.keeps[0]
    assert heard.keeps[-1].startswith(f"what is trained is kept in {tmp_path}/training: ")
