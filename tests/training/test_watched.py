"""Trainings that nobody watches hold nothing out, and are looked at when they end."""

import numpy as np
import pytest

from edgeprune.artifacts.dataset import TrainingData
from edgeprune.training.validation_split import split_of


def _data(*, is_watched, held_out=0):
    x = np.zeros((100, 2), np.float32)
    return TrainingData(x, x, None, held_out=held_out, is_watched=is_watched)


@pytest.mark.parametrize(
    ("is_watched", "held_out", "trained", "held"),
    [(True, 0, 90, 10), (True, 30, 70, 30), (False, 0, 100, 0), (False, 30, 70, 0)],
)
def test_samples_of_the_users_are_never_trained_on(is_watched, held_out, trained, held):
    on, out = split_of(_data(is_watched=is_watched, held_out=held_out), seed=0)
    assert (len(on), len(out)) == (trained, held)
    assert not held_out or max(on) < 100 - held_out
