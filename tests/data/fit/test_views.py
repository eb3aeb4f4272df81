import dataclasses

import numpy as np
import pytest

from edgeprune.artifacts.dataset import Dataset
from edgeprune.data.fit import views
from edgeprune.data.labels import with_task
from edgeprune.errors import ModelError
from edgeprune.tasks import Output


def pictures(outputs=2, classes=("left", "right")):
    """A bright half: which one is the label."""
    y = np.arange(80) % 2
    x = np.zeros((80, 20, 20, 1), np.float32)
    x[y == 0, :, :8] = 255
    x[y == 1, :, 12:] = 255
    data = Dataset(x, None, x, None, "pets", classes)
    return with_task(data, {"train": {"": y}, "test": {"": y}}, [Output("out", (outputs,))])


def in_colour(data, first=False):
    """The same pictures with three channels, in front of height and width or behind them."""

    def three(x):
        x = np.repeat(x, 3, axis=3)
        return np.ascontiguousarray(np.moveaxis(x, 3, 1)) if first else x

    return dataclasses.replace(data, x_train=three(data.x_train), x_test=three(data.x_test))


def tells_sides(x):
    sums = x.sum(axis=(1, 3))
    return [np.stack([sums[:, :10].sum(1), sums[:, 10:].sum(1)], -1)]


def tells_nothing_apart_by_side(x):
    return [np.tile([1.0, 0.0], (len(x), 1))]


def test_views_that_the_model_does_not_bear_are_left_out():
    kinds, lines = views(pictures(), tells_sides, "auto")
    assert kinds == ("shifts",)
    assert lines[0].startswith("images are moved by up to 10% in training (--augment none")
    assert "not mirrored left to right in training: the dense model is right on 0.0%" in lines[1]


def test_views_that_it_bears_are_trained_on():
    kinds, lines = views(pictures(), tells_nothing_apart_by_side, "auto")
    assert kinds == ("flips", "shifts")
    assert lines[0].startswith("images are mirrored left to right and moved by up to 10%")


def test_what_the_user_says_holds():
    assert views(pictures(), tells_sides, "flips")[0] == ("flips",)
    assert views(pictures(), tells_sides, "none") == ((), ())


def test_arrays_of_one_channel_are_left_as_they_are_unless_asked_for():
    data = dataclasses.replace(pictures(), classes=())
    assert views(data, tells_nothing_apart_by_side, "auto") == ((), ())
    assert views(data, tells_sides, "shifts")[0] == ("shifts",)


@pytest.mark.parametrize("first", [False, True])
def test_arrays_of_colour_images_are_seen_otherwise(first):
    data = in_colour(dataclasses.replace(pictures(), classes=()), first)
    assert views(data, tells_nothing_apart_by_side, "auto")[0] == ("flips", "shifts")


def test_samples_that_are_fresh_in_each_epoch_are_left_as_they_are():
    data = dataclasses.replace(in_colour(pictures()), fresh=lambda epoch: data)
    assert views(data, tells_nothing_apart_by_side, "auto") == ((), ())


SAMPLES = np.arange(200)
CLASSES = SAMPLES % 5


def views_of_a_model(right_on_unseen, right_on_views):
    """Of a model that knows its training images by heart, and is right on others of these."""
    rng = np.random.default_rng(0)
    train, test = rng.random((2, 200, 20, 20, 3), np.float32)
    labels = {"train": {"": CLASSES}, "test": {"": CLASSES}}
    data = with_task(Dataset(train, None, test, None, "arrays"), labels, [Output("out", (5,))])
    rights = {train.tobytes(): SAMPLES >= 0, test.tobytes(): right_on_unseen}

    def answers(x):
        is_right = rights.get(x.tobytes(), right_on_views)
        return [np.eye(5)[np.where(is_right, CLASSES, (CLASSES + 1) % 5)]]

    return views(data, answers, "auto")


THREE_OF_FIVE = SAMPLES // 5 % 5 < 3
"""Of each class as many."""


def test_other_views_are_set_against_images_that_the_model_never_saw():
    assert views_of_a_model(THREE_OF_FIVE, THREE_OF_FIVE)[0] == ("flips", "shifts")
    assert views_of_a_model(SAMPLES >= 0, THREE_OF_FIVE)[0] == ()


def test_one_class_that_becomes_another_in_a_mirror_is_enough():
    kinds, lines = views_of_a_model(THREE_OF_FIVE, CLASSES != 4)
    assert kinds == ()
    assert lines[0].endswith(
        "right on 80.0% of such views, and on 60.0% of images as they are; it takes most of class "
        "4 for others"
    )


@pytest.mark.parametrize("change", ["flat", "no training samples"])
def test_views_of_what_are_no_images_are_refused(change):
    data = pictures()
    if change == "flat":
        flat = data.x_test.reshape(80, -1)
        data = dataclasses.replace(data, x_train=flat, x_test=flat)
    else:
        data = dataclasses.replace(data, x_train=None, y_train=None)
    with pytest.raises(ModelError, match="--augment flips needs images of classes to train on"):
        views(data, tells_sides, "flips")
    assert views(data, tells_sides, "auto") == ((), ())
