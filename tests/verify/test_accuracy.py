import numpy as np
import pytest
from nets import Net
from shown_progress import shown_counts

from edgeprune import verify
from edgeprune.artifacts.dataset import Dataset
from edgeprune.errors import ModelError
from edgeprune.tasks import Head, Task


def dense_net(units=3):
    net = Net()
    return net.build(net.dense(net.input(1, 4), units))


def scored(x, y, tflite):
    return verify.accuracy(tflite, Dataset(None, None, x, y, "test"))


def test_accuracy_is_the_share_of_right_labels():
    tflite = dense_net()
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    labels = np.array(
        [verify.HostModel(tflite, reference=True)([row[None]])[0].argmax() for row in x]
    )
    assert scored(x, labels, tflite).value == 1.0
    labels[:10] = (labels[:10] + 1) % 3
    found = scored(x, labels, tflite)
    assert (found.metric, found.value, found.samples) == ("top1", 0.75, 40)


def test_a_model_that_reproduces_its_input_is_scored_without_labels():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 4)))
    x = np.array([[1, 2, 3, -4]], np.float32)
    found = scored(x, None, tflite)
    assert (found.metric, found.value) == ("mse", 4.0)
    assert scored(x, None, dense_net()) is None


def head(name, size, task="regression", metric="mse"):
    """One output of ``size`` values."""
    loss = "" if task == "none" else "mse"
    return Head(name, (size,), task, "values", "values", 0, loss, metric, (size,))


def several(x, y, *heads):
    return Dataset(None, None, x, y, "test", task=Task(heads))


def test_samples_are_scored_batch_by_batch_and_counted_once_each():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 2)))
    x = np.arange(1, 2 * 150 + 1, dtype=np.float32).reshape(150, 2)
    y = x.copy()
    y[[0, 63, 64, 127, 128, 149]] += 5  # at the ends of batches of 64
    found = verify.accuracy(tflite, several(x, y, head("out", 2)))
    assert found.samples == 150 and found.value == pytest.approx(6 * 25 / 150)
    assert found.heads == ()


def test_scoring_says_how_far_it_is():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 2)))
    x = np.ones((70, 2), np.float32)
    with shown_counts() as counts:
        verify.accuracy(tflite, several(x, x, head("out", 2)))
    assert [(one.done, one.total, one.text) for one in counts] == [
        (0, 70, "scored 0 of 70 samples"),
        (64, 70, "scored 64 of 70 samples"),
    ]


def two_outputs(seed=0):
    """One output that is its input, where that is positive, and one of a dense layer."""
    net = Net(seed)
    x = net.input(1, 2)
    return net.build(net.relu(x), net.dense(x, 3))


def test_an_output_without_labels_is_scored_against_the_dense_networks_answers():
    dense, other = two_outputs(0), two_outputs(1)
    x = np.random.default_rng(0).normal(size=(70, 2)).astype(np.float32)
    y = np.maximum(x, 0) + 2
    data = several(x, y, head("first", 2), head("second", 3, "none"))
    alone = verify.accuracy(other, data)
    assert [(one.name, one.value) for one in alone.heads] == [("first", pytest.approx(4))]
    itself = verify.accuracy(dense, data, dense)
    assert [one.value for one in itself.heads] == [pytest.approx(4), 0.0]
    found = verify.accuracy(other, data, dense)
    answers = [verify.answers_of(file)(x)[1] for file in (dense, other)]
    gap = float(np.square(answers[0] - answers[1]).mean())
    assert [one.value for one in found.heads] == [pytest.approx(4), pytest.approx(gap)]
    assert (found.metric, found.value, found.samples) == ("mse", found.heads[0].value, 70)
    assert [one.metric for one in found.heads] == ["mse", "mse"]


def test_a_score_is_of_the_first_output_that_has_labels():
    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    y = verify.answers_of(two_outputs())(x)[1] + 3
    data = several(x, y, head("first", 2, "none"), head("second", 3))
    found = verify.accuracy(two_outputs(), data, two_outputs())
    assert found.value == pytest.approx(9) and found.heads[0].value == 0.0


def test_a_score_that_is_no_number_is_an_error_that_names_the_output():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 2)))
    x = np.array([[1, np.inf]], np.float32)
    with pytest.raises(ModelError, match=r"mean squared error of output 'out' is (nan|inf)"):
        verify.accuracy(tflite, several(x, np.zeros((1, 2), np.float32), head("out", 2)))


def test_without_samples_there_is_no_score():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 2)))
    nothing = np.zeros((0, 2), np.float32)
    assert verify.accuracy(tflite, several(nothing, nothing, head("out", 2))) is None


def test_labels_that_do_not_fit_the_model_are_an_error():
    with pytest.raises(ModelError):
        scored(np.ones((2, 4), np.float32), np.array([7, 7]), dense_net())


def test_a_model_with_several_inputs_is_not_scored():
    net = Net()
    tflite = net.build(net.add(net.input(1, 2), net.input(1, 2)))
    with pytest.raises(ModelError, match="a model with 2 inputs cannot be scored"):
        verify.answers_of(tflite)


def test_answers_are_one_row_a_sample_in_the_units_of_the_outputs():
    net = Net()
    x = net.input(1, 2, 2)
    out = net.tensor((1, 2, 2), "int8", scale=0.5)
    net.op("QUANTIZE", [x], (1, 2, 2), "QuantizeOptions")
    net.graph.operators[-1].outputs = np.array([out], np.int32)
    values = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], np.float32)
    (answers,) = verify.answers_of(net.build(out))(values)
    assert answers.dtype == np.float64 and answers.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_answers_are_those_of_the_kernels_that_a_board_runs():
    net = Net()
    kept = net.const(np.arange(-16, 16, dtype=np.int8).reshape(4, 8), scale=0.01)
    inputs = [net.input(1, 8), kept, -1]
    tflite = net.build(net.op("FULLY_CONNECTED", inputs, (1, 4), "FullyConnectedOptions"))
    ((x,),) = verify.sample_inputs(tflite, None, 1)
    fast, built_in = (verify.HostModel(tflite, reference=flag)([x])[0] for flag in (False, True))
    assert not np.array_equal(fast, built_in)
    assert np.array_equal(verify.answers_of(tflite)(x)[0], fast)
