import dataclasses

import numpy as np
import pytest
from keras_nets import build, dataset, loaded

from edgeprune.artifacts.dataset import TrainingData
from edgeprune.pruning import prune
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.tasks import Head, Task
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import Teacher
from edgeprune.training.epochs import epoch_of

X = np.random.default_rng(0).random((10, 6, 6, 3)).astype(np.float32)
Y = np.arange(10)
TASK = Task((Head("out", (10,), "classification", "", "softmax", 10, "", "top1"),))
CHOSEN = np.array([1, 4, 9])


def batch(data, epoch=0, step=0, teacher=None, seed=0):
    return epoch_of(data, teacher, seed, epoch).batch(CHOSEN, step)


def test_samples_are_taken_as_they_are():
    x, y, answers = batch(TrainingData(X, Y, TASK), epoch=3)
    assert np.array_equal(x, X[CHOSEN]) and np.array_equal(y, CHOSEN) and answers is None


def test_other_views_depend_on_seed_and_step_alone():
    data = TrainingData(X, Y, TASK, augment=("flips", "shifts"))
    first = batch(data, step=5)[0]
    assert np.array_equal(first, batch(data, step=5)[0])
    assert not np.array_equal(first, batch(data, step=6)[0])
    assert not np.array_equal(first, batch(data, step=5, seed=1)[0])
    assert np.array_equal(batch(data)[1], CHOSEN)


def test_every_epoch_but_the_first_asks_for_its_own_samples():
    data = TrainingData(X, Y, TASK, fresh=lambda epoch: (X + epoch, Y))
    assert np.array_equal(batch(data, 0)[0], X[CHOSEN])
    assert np.array_equal(batch(data, 2)[0], X[CHOSEN] + 2)


def test_a_teacher_is_asked_about_fresh_samples():
    teacher = Teacher(X.sum((1, 2, 3))[:, None], 0.5, 1.0, lambda x: x.sum((1, 2, 3))[:, None])
    data = TrainingData(X, Y, TASK, fresh=lambda epoch: (X + epoch, Y))
    for epoch in (0, 3):
        x, _, answers = batch(data, epoch, teacher=teacher)
        assert np.allclose(answers[:, 0], x.sum((1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("count", [4, 30])
def test_an_epoch_may_have_fewer_or_more_samples(count):
    fresh = (np.resize(X, (count, 6, 6, 3)), np.resize(Y, count))
    x, y, _ = batch(TrainingData(X, Y, TASK, fresh=lambda epoch: fresh), epoch=1)
    assert np.array_equal(x, fresh[0][CHOSEN % count]) and len(y) == 3


def test_the_dense_network_trains_on_the_very_same_epochs():
    data, asked = dataset(), []

    def fresh(epoch):
        asked.append(epoch)
        return dataclasses.replace(data, x_train=data.x_train + epoch)

    model = loaded(build("keras", "sequential"), "keras")
    spec = PruneTable(sparsity=0.5, epochs=2)
    weights = []
    for given in (data, dataclasses.replace(data, fresh=fresh)):
        done = prune(model, spec, StageContext(given))
        weights.append(np.concatenate([w.ravel() for w in done.control.keras.get_weights()]))
    assert asked == [1, 1]
    assert not np.allclose(weights[0], weights[1])
