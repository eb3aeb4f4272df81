import numpy as np
import pytest

from edgeprune.models.keras.flavours import import_tensorflow
from edgeprune.tasks import Head, Task
from edgeprune.training.loss import Objective

Y = np.array([[1000.0, 0.001], [-1000.0, -0.001]], np.float32)


def objective(loss, is_unlike=True):
    sizes = ((1000.0, 0.001), (1000.0, 0.001)) if is_unlike else ((), ())
    head = Head(
        "out", (2,), "regression", "", "values", 0, loss, "mse", (2,), 1000.0, 700.0, *sizes
    )
    return Objective(Task((head,)))


@pytest.mark.parametrize(("loss", "wanted"), [("mse", 0.5), ("mae", 0.5), ("huber", 0.25)])
@pytest.mark.parametrize("lost", [0, 1])
def test_each_of_several_values_of_unlike_size_counts_by_its_own_size(loss, wanted, lost):
    tf = import_tensorflow()
    answers = Y.copy()
    answers[:, lost] = 0
    assert float(objective(loss).loss(tf.constant(Y), [tf.constant(answers)])) == pytest.approx(
        wanted, rel=1e-5
    )


def test_a_teacher_is_followed_by_each_values_own_size():
    tf = import_tensorflow()
    answers = Y.copy()
    answers[:, 1] = 0
    pair = (tf.constant(Y), [tf.constant(answers)], 1.0)
    assert float(objective("mse").soft(*pair)[0]) == pytest.approx(0.5, rel=1e-5)
    assert float(objective("mse", is_unlike=False).soft(*pair)[0]) < 1e-6
