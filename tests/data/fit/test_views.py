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


def test_arrays_are_left_as_they_are_unless_asked_for():
    data = dataclasses.replace(pictures(), classes=())
    assert views(data, tells_nothing_apart_by_side, "auto") == ((), ())
    assert views(data, tells_sides, "shifts")[0] == ("shifts",)


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
