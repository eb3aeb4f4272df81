"""Which samples choose among networks, and what networks lose on them."""

import dataclasses

import numpy as np
import pytest

from edgeprune.artifacts.dataset import Dataset
from edgeprune.data import load_data
from edgeprune.data.example import write_tiny
from edgeprune.models.tflite import graph
from edgeprune.pipeline.choosing import MAX_CHOOSING, MIN_APART, Judge, kept_apart


def _data(tests, train=0, held_out=0):
    x = np.arange(tests, dtype=np.float32)[:, None]
    x_train = np.arange(1000, 1000 + train, dtype=np.float32)[:, None]
    return Dataset(x_train, x_train[:, 0], x, x[:, 0], "x", held_out=held_out)


@pytest.mark.parametrize("tests", [2 * MIN_APART, 999, 3 * MAX_CHOOSING])
def test_no_sample_both_chooses_and_is_reported(tests):
    choosing, reported, line = kept_apart(_data(tests))
    both = np.concatenate([choosing.x_test, reported.x_test])
    assert sorted(both[:, 0]) == list(range(tests))
    assert len(choosing.x_test) <= MAX_CHOOSING
    assert (choosing.x_test[:, 0] == choosing.y_test).all()
    assert f"{len(choosing.x_test):,} of the {tests:,}" in line


def test_validation_samples_choose_where_there_are_some():
    choosing, reported, line = kept_apart(_data(400, train=300, held_out=80))
    assert sorted(choosing.x_test[:, 0]) == list(range(1220, 1300))
    assert len(reported.x_test) == 400
    assert "80 of your validation samples" in line


def test_few_samples_do_both_and_that_is_said():
    choosing, reported, line = kept_apart(_data(2 * MIN_APART - 1))
    assert len(choosing.x_test) == len(reported.x_test) == 2 * MIN_APART - 1
    assert "flatters" in line


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    model, data = write_tiny(tmp_path_factory.mktemp("tiny"))
    tflite = model.read_bytes()
    return tflite, load_data(str(data), tflite)


def test_a_network_loses_nothing_beside_itself(tiny):
    tflite, data = tiny
    assert Judge(data, tflite).lost(tflite) == (0.0, 0.0)


def test_a_damaged_network_loses_what_its_score_says_with_the_error_of_so_many_samples(tiny):
    from edgeprune import verify

    tflite, data = tiny
    model = graph.read(tflite)
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data) > 400:
            buffer.data = np.zeros_like(buffer.data)
    damaged = graph.write(model)
    lost, error = Judge(data, tflite).lost(damaged)
    whole = verify.accuracy(tflite, data).value - verify.accuracy(damaged, data).value
    assert lost == pytest.approx(whole)
    assert lost > 0.3
    by_chance = np.sqrt(lost * (1 - lost) / len(data.x_test))
    assert 0.3 * by_chance < error < 3 * by_chance


def test_without_a_task_nothing_can_be_judged(tiny):
    from edgeprune.errors import ModelError

    tflite, data = tiny
    with pytest.raises(ModelError, match="nothing to score"):
        Judge(dataclasses.replace(data, task=None), tflite).lost(tflite)
