import os
import random

import numpy as np
import pytest
from damage import damage

from edgeprune.training.checkpoint import Checkpoint

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


@pytest.mark.parametrize("is_packed", [False, True])
def test_what_is_saved_comes_back(tmp_path, is_packed):
    kept = Checkpoint(tmp_path / "deep" / "a.npz", is_packed)
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
