"""Models that know exactly what they were made for, put before data of all kinds."""

import dataclasses

import numpy as np
import pytest

from edgeprune.artifacts.dataset import Dataset
from edgeprune.data.fit import misfit
from edgeprune.data.labels import with_task
from edgeprune.tasks import Output, Said

RNG = np.random.default_rng(0)
COLOURS = 10


def images(count, low=0.0, high=255.0):
    """Images of one of ten colours with noise, and the colours' numbers."""
    labels = np.arange(count) % COLOURS
    colours = np.linspace(0, 1, COLOURS)[labels]
    base = np.stack([colours, (1 - colours) / 2, colours / 4], -1)[:, None, None, :]
    x = base + RNG.normal(0, 0.01, (count, 4, 4, 3))
    return (low + np.clip(x, 0, 1) * (high - low)).astype(np.float32), labels


def knows(low, high, flip=False):
    """Answers images of the range that it was made for; what is outside is cut off."""

    def answer(x):
        seen = np.clip((np.asarray(x, np.float64) - low) / (high - low), 0, 1)
        seen = (seen[..., ::-1] if flip else seen).mean(axis=(1, 2))
        colours = np.linspace(0, 1, COLOURS)
        wanted = np.stack([colours, (1 - colours) / 2, colours / 4], -1)
        return [-np.square(seen[:, None] - wanted[None]).sum(-1)]

    return answer


def dataset(x, y, outputs=10, answer=None, task=None, **rest):
    outputs = [Output("out", (outputs,), "")]
    data = Dataset(None, None, x, None, "digits.npz")
    made = with_task(
        data, {"test": {"": y}} if y is not None else {}, outputs, Said(task or ""), answer
    )

    return dataclasses.replace(made, **rest)


RANGES = {"0..1": (0, 1), "-1..1": (-1, 1), "0..255": (0, 255)}


@pytest.mark.parametrize("made_for", RANGES)
@pytest.mark.parametrize("given", RANGES)
def test_the_range_that_the_model_was_made_for_is_named(made_for, given):
    data = dataset(*images(400, *RANGES[given]))
    found = misfit(data, knows(*RANGES[made_for]))
    if made_for == given:
        assert found == ""
    else:
        assert found.startswith("digits.npz: the model is right on")
        assert found.endswith(f"give --scale {made_for}")


def test_a_few_samples_are_enough_where_all_speak_for_another_range():
    x, y = images(40)
    assert misfit(dataset(x, y), knows(-1, 1)).endswith("give --scale -1..1")
    assert misfit(dataset(x[:8], y[:8]), knows(-1, 1)) == ""


def test_channels_in_the_other_order_are_named():
    found = misfit(dataset(*images(400)), knows(0, 255, flip=True))
    assert found.endswith("give --scale bgr")


def shares(right, count=400, classes=2):
    """A model that is right on a share of samples, and labels."""
    labels = np.arange(count) % classes
    answers = labels.copy()
    wrong = RNG.permutation(count)[: round((1 - right) * count)]
    answers[wrong] = (answers[wrong] + 1 + RNG.integers(0, classes - 1, len(wrong))) % classes
    x = np.stack([np.full(count, 0.5), answers], -1).astype(np.float32)
    return x, labels, lambda x: [np.eye(classes)[x[:, 1].astype(int) % classes]]


@pytest.mark.parametrize(
    ("right", "count", "classes"),
    [(0.6, 400, 2), (0.6, 10000, 2), (0.6, 60, 2), (0.55, 20, 2), (0.3, 400, 10), (0.5, 30, 10)],
)
def test_an_honest_weak_classifier_passes(right, count, classes):
    x, labels, answer = shares(right, count, classes)
    assert misfit(dataset(x, labels, classes), answer) == ""


@pytest.mark.parametrize(("count", "classes"), [(120, 2), (400, 2), (60, 10), (400, 10)])
def test_a_guesser_is_found_out(count, classes):
    labels = np.arange(count) % classes
    x = RNG.normal(0, 1, (count, 2)).astype(np.float32)
    guesses = np.random.default_rng(1).permutation(labels)
    found = misfit(
        dataset(x, labels, classes), lambda x: [np.eye(classes)[guesses[: len(x)]] * 1.0]
    )
    assert "no better than chance" in found and "likely causes are" in found
    assert "\n" not in found


def test_always_the_same_class_is_chance_however_frequent_it_is():
    labels = (np.arange(400) % 20 == 0).astype(int)
    x = RNG.normal(0, 1, (400, 2)).astype(np.float32)
    found = misfit(dataset(x, labels, 2), lambda x: [np.tile([1.0, 0.0], (len(x), 1))])
    assert "is right on 95.0% of 400 test samples, no better than chance, 95.0%" in found


def test_a_rare_class_that_is_found_is_no_chance_though_the_majority_would_score_more():
    labels = (np.arange(400) % 20 == 0).astype(int)
    answers = labels.copy()
    answers[1:400:10] = 1  # 10 % false alarms
    x = np.stack([np.full(400, 0.3), answers], -1).astype(np.float32)
    assert misfit(dataset(x, labels, 2), lambda x: [np.eye(2)[x[:, 1].astype(int) % 2]]) == ""


def test_swapped_classes_are_named_with_their_names():
    x, labels, answer = shares(0.95)
    found = misfit(dataset(x, 1 - labels, 2, classes=("cats", "dogs")), answer)
    assert "class 0 (cats) is answered with 1, class 1 (dogs) is answered with 0" in found
    assert "so read, 95.0% of 400 test samples are right" in found
    assert "alphabetical order is that of training" in found


def test_some_moved_classes_are_found_though_the_others_are_right():
    x, labels, answer = shares(0.98, classes=12)
    names = [str(k) for k in range(12)]
    order = np.argsort(np.argsort(names))
    data = dataset(x, order[labels], 12, classes=tuple(sorted(names)))
    found = misfit(data, answer)
    assert "classes seem to be in another order" in found and "10 comes before 2" in found


def test_numbers_that_are_one_too_low_are_named():
    x, labels, answer = shares(0.9, classes=9)
    found = misfit(
        dataset(x, labels, 10), lambda x: [np.roll(np.pad(answer(x)[0], ((0, 0), (0, 1))), 1, 1)]
    )
    assert "it answers with numbers that are 1 higher" in found


def values(r2_noise, count=200):
    y = RNG.normal(0, 1, (count, 3)).astype(np.float32)
    x = np.concatenate([y, RNG.normal(0, 1, (count, 1))], axis=1).astype(np.float32)
    return x, y, lambda x: [x[:, :3] + r2_noise]


def test_a_regression_is_weighed_against_the_mean():
    x, y, _ = values(0.0)
    assert misfit(dataset(x, y, 3), lambda x: [x[:, :3] * 0.05]) == ""
    found = misfit(dataset(x, y, 3), lambda x: [x[:, :3] * 0 + 5])
    assert "no better than the mean of the targets, R2 0" in found


def test_a_regression_on_inputs_of_another_range_is_named():
    y = RNG.random((200, 1)).astype(np.float32)
    x = np.concatenate([y * 255, RNG.random((200, 1)) * 255], axis=1).astype(np.float32)
    found = misfit(dataset(x, y, 1), lambda x: [np.clip(x[:, :1], 0, 1)])
    assert "give --scale 0..1" in found and "has R2 1 on 200 test samples" in found


def test_features_that_were_standardized_in_training_are_named():
    y = RNG.random((200, 1)).astype(np.float32)
    x = np.concatenate([3000 + 400 * y, RNG.random((200, 1)) * -7], axis=1).astype(np.float32)
    mean, deviation = x[:, 0].mean(), x[:, 0].std()

    def answer(x):
        return [np.clip(x[:, :1], -3, 3) * deviation / 400 + (mean - 3000) / 400]

    found = misfit(dataset(x, y, 1), answer)
    assert "with each feature scaled to mean 0 and deviation 1" in found


def test_answers_that_are_no_numbers_are_no_knowledge():
    x, labels, _ = shares(1.0)
    assert "no better than chance" in misfit(
        dataset(x, labels, 2), lambda x: [np.full((len(x), 2), np.nan)]
    )


def test_labels_without_a_choice_tell_nothing():
    x, labels, _ = shares(1.0)
    assert misfit(dataset(x, labels * 0, 2), lambda x: [np.tile([1.0, 0.0], (len(x), 1))]) == ""


def test_an_autoencoder_is_scaled_with_its_targets():
    x = (RNG.random((200, 4)) * 255).astype(np.float32)
    data = dataset(x, None, 4)
    assert data.is_reproduced
    assert misfit(data, lambda x: [np.clip(x, 0, 255)]) == ""
    assert "give --scale 0..1" in misfit(data, lambda x: [np.clip(x, 0, 1)])


def test_several_labels_a_sample_are_weighed_by_label():
    y = (RNG.random((300, 5)) > 0.7).astype(np.int64)
    x = np.concatenate([y, RNG.random((300, 1))], axis=1).astype(np.float32)
    assert misfit(dataset(x, y, 5, task="multilabel"), lambda x: [x[:, :5] * 2 - 1]) == ""
    found = misfit(dataset(x, y, 5, task="multilabel"), lambda x: [x[:, :5] * 0 - 0.1])
    assert "labels of 300 test samples, no better than chance" in found


def test_swapped_classes_are_named_though_a_wrong_range_gains_a_little():
    x, labels = images(400)

    def answer(inputs):
        """Knows all but two classes in -1 to 1, and all of them, two swapped, in 0 to 255."""
        if inputs.min() < 0:
            known = knows(-1, 1)(inputs)[0].copy()
            known[:, 8:] = -9
            return [known]
        return [knows(0, 255)(inputs)[0][:, [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]]]

    found = misfit(dataset(x, labels), answer)
    assert "another order" in found and "100.0% of 400" in found


def test_a_folder_too_few_is_no_small_matter_where_the_model_does_not_know_all():
    x, labels = images(400)
    kept = labels != 4
    names = tuple(f"c{k}" for k in range(9))
    shifted = np.where(labels > 4, labels - 1, labels)[kept]
    few = dataset(x[kept], shifted, 10, classes=names)
    assert "another order" in misfit(few, knows(0, 255))
    last = labels < 8
    seven = dataset(x[last], np.where(labels == 7, 6, labels)[last], 10, classes=names[:7])
    found = misfit(seven, knows(0, 255))
    assert "holds 7 classes, and the model tells 10 apart" in found and "is right on 87.5%" in found
    first = labels < 7
    assert misfit(dataset(x[first], labels[first], 10, classes=names[:7]), knows(0, 255)) == ""


def test_targets_that_never_change_are_answered_with_or_doubted():
    x = RNG.normal(size=(80, 3)).astype(np.float32)
    y = np.full((80, 1), 40.0)
    data = dataset(x, y, 1, lambda inputs: [inputs[:, :1]], "regression")
    found = misfit(data, lambda inputs: [40 + inputs[:, :1]])
    assert "misses targets that never change by " in found and "no better than their mean" in found
    assert misfit(data, lambda inputs: [np.full((len(inputs), 1), 40.01)]) == ""


def test_without_labels_a_model_that_tells_nothing_apart_is_doubted():
    x, _ = images(400)

    def dull(rows):
        return [np.eye(COLOURS)[np.full(len(rows), 3)]]

    found = misfit(dataset(x, None, answer=dull, task="classification"), dull)
    assert found.startswith("digits.npz: the model answers class 3 to each of 400 samples: ")
    knowing = knows(0, 255)
    assert misfit(dataset(x, None, answer=knowing, task="classification"), knowing) == ""
