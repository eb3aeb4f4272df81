import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from keras_nets import build, dataset

from edgeprune.training.step import Trainer
from edgeprune.training.training_data import known_data
from edgeprune.training.validation_split import MOST, HeldOut, split


@given(st.integers(0, 30000), st.integers(0, 9))
def test_every_sample_is_on_one_side_alone(samples, seed):
    train, held = split(samples, seed)
    assert len(held) == min(samples // 10, MOST)
    assert sorted([*train, *held]) == list(range(samples))


def test_the_split_is_that_of_the_seed():
    assert np.array_equal(split(500, 3)[1], split(500, 3)[1])
    assert not np.array_equal(split(500, 3)[1], split(500, 4)[1])


def test_accuracy_is_the_share_of_right_labels_of_the_chosen_samples_only():
    data, model = dataset(600), build("keras", "sequential")
    known = known_data(model, data.x_train, data.y_train)
    trainer = Trainer(model, "keras", 0.01, known)
    chosen = np.arange(1, 600, 2)
    answers = np.asarray(model(data.x_train, training=False)).argmax(1)
    right = (answers == data.y_train)[chosen].mean()
    held = HeldOut(trainer, known, chosen, None)
    (score,) = held.scores().values()
    assert held.text(held.scores()).startswith("top1 ") and abs(score - right) < 1e-9
    (fixed,) = HeldOut(trainer, known, chosen, 128).scores().values()
    assert abs(fixed - (answers == data.y_train)[chosen[:256]].mean()) < 1e-9


def test_too_few_samples_are_not_scored():
    data = dataset(16)
    model = build("keras", "sequential")
    known = known_data(model, data.x_train, data.y_train)
    held = HeldOut(Trainer(model, "keras", 0.01, known), known, np.arange(3), 8)
    assert held.is_empty and held.scores() == {}


def test_what_the_user_wants_held_out_is_held_out_and_nothing_else():
    train, held = split(120, 0, held_out=20)
    assert train.tolist() == list(range(100)) and held.tolist() == list(range(100, 120))
    train, held = split(3 * MOST, 0, held_out=2 * MOST)
    assert len(train) == len(held) == MOST and held.min() >= MOST
    assert (np.diff(held) > 0).all()
