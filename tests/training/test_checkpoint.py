import dataclasses
import os
import random
import time

import numpy as np
import pytest
from damage import damage
from keras_nets import loaded

from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import ModelFile
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.tasks import Task
from edgeprune.training.checkpoint import ABANDONED_S, Checkpoint, folder_for, remove

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


def folder(sha256="ab", patterns=None, drop=None, data=(X, Y), **options):
    model = dataclasses.replace(loaded(None, "keras"), source=ModelFile("m", sha256, "keras3"))
    options = {"spec": dataclasses.asdict(PruneTable(**options)), "patterns": patterns or {}}
    return folder_for(model, options, drop, TrainingData(*data, Task(())))


def test_what_is_saved_comes_back(tmp_path):
    kept = Checkpoint(tmp_path / "deep" / "a.npz")
    lists = {"state": [X, Y], "masks": [X > 3], "none": []}
    kept.save(lists, {"epoch": 3, "best": None})
    back, facts = kept.load()
    assert facts == {"epoch": 3, "best": None} and list(back) == list(lists)
    for name, part in lists.items():
        assert all(np.array_equal(a, b) for a, b in zip(part, back[name], strict=True))
        assert [a.dtype for a in part] == [a.dtype for a in back[name]]
    assert os.listdir(tmp_path / "deep") == ["a.npz"]


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_half_a_file_is_none(tmp_path, cut):
    kept = Checkpoint(tmp_path / "a.npz")
    kept.save({"state": [X]}, {})
    kept.path.write_bytes(kept.path.read_bytes()[:cut])
    assert kept.load() is None


def test_a_damaged_file_is_none_or_what_was_saved(tmp_path):
    kept = Checkpoint(tmp_path / "a.npz")
    kept.save({"state": [X]}, {"epoch": 1})
    whole = kept.path.read_bytes()
    for seed in range(600):
        kept.path.write_bytes(damage(whole, random.Random(seed)))
        assert kept.load() is None or len(kept.load()) == 2


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    kept = Checkpoint(tmp_path / "a.npz")
    kept.save({"state": [X]}, {"epoch": 1})
    with pytest.raises(ValueError):
        kept.save({"state": [np.array([object()])]}, {"epoch": 2})
    assert kept.load()[1] == {"epoch": 1} and os.listdir(tmp_path) == ["a.npz"]


def test_another_model_option_or_sample_is_another_training():
    other = X.copy()
    other[3, 1] += 1
    folders = [
        folder(),
        folder(sha256="cd"),
        folder(epochs=9),
        folder(patterns={"a": "2x1"}),
        folder(drop=0.01),
        folder(data=(other, Y)),
        folder(data=(X.astype(np.float32), Y)),
    ]
    assert folder() == folders[0] and len(set(folders)) == len(folders)


def test_a_model_from_memory_has_none():
    assert folder(sha256="") is None
    remove(None)


def test_a_training_that_is_done_leaves_nothing_and_takes_the_abandoned_ones_with_it(tmp_path):
    kept = {name: Checkpoint(tmp_path / name / "a.npz") for name in ("done", "old", "young")}
    for one in kept.values():
        one.save({"state": [X]}, {})
    for name, age_s in (("old", ABANDONED_S + 60), ("young", ABANDONED_S - 3600)):
        then_s = time.time() - age_s
        for path in (kept[name].path, kept[name].path.parent):
            os.utime(path, (then_s, then_s))
    remove(tmp_path / "done")
    assert os.listdir(tmp_path) == ["young"]
