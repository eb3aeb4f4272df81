import nets
import numpy as np
import pytest
from nets import Net

from edgeprune import verify
from edgeprune.artifacts import Dataset
from edgeprune.errors import ModelError, VerifyError


def samples_of(*rows):
    return [[np.array([row], np.float32)] for row in rows]


def dense_net(units=3):
    net = Net()
    return net.build(net.dense(net.input(1, 4), units))


def test_equal_outputs_pass_and_agree():
    outputs = samples_of([0.1, 0.7, 0.2], [0.5, 0.2, 0.3])
    found = verify.parity(dense_net(), outputs, outputs, "here")
    assert (found.max_abs_diff, found.argmax_agreement, found.passed) == (0.0, 1.0, True)
    assert (found.samples, found.where) == (2, "here")


@pytest.mark.parametrize("factor, passed", [(0.9, True), (1.1, False)])
def test_the_limit_is_a_share_of_the_largest_output(factor, passed):
    expected = samples_of([0.0, 100.0, 1.0])
    off = 100.0 * verify.FLOAT_LIMIT * factor
    found = verify.parity(dense_net(), expected, samples_of([off, 100.0, 1.0]), "here")
    assert found.passed is passed
    assert found.max_abs_diff == pytest.approx(off, rel=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outputs_that_are_not_numbers_never_pass(bad):
    found = verify.parity(dense_net(), samples_of([1, 2, 3]), samples_of([1, bad, 3]), "here")
    assert not found.passed


def test_all_zero_references_want_exact_zeros():
    zeros = samples_of([0, 0, 0])
    assert verify.parity(dense_net(), zeros, zeros, "here").passed
    assert not verify.parity(dense_net(), zeros, samples_of([0, 1e-9, 0]), "here").passed


def test_a_wrong_second_output_is_found_behind_a_right_first_one():
    net = Net()
    x = net.input(1, 4)
    tflite = net.build(net.dense(x, 3), net.dense(x, 2))
    first, second = np.ones((1, 3), np.float32), np.ones((1, 2), np.float32)
    found = verify.parity(tflite, [[first, second]], [[first, second * 1.5]], "here")
    assert not found.passed and found.max_abs_diff == pytest.approx(0.5)


def test_integer_outputs_are_compared_in_steps():
    net = Net()
    x = net.input(1, 4)
    out = net.tensor((1, 4), "int8", scale=0.5)
    net.op("QUANTIZE", [x], (1, 4), "QuantizeOptions")
    net.graph.operators[-1].outputs = np.array([out], np.int32)
    tflite = net.build(out)
    expected = [[np.array([[0, 10, 20, 30]], np.int8)]]
    for steps, passed in (
        (verify.INTEGER_LIMIT_STEPS, True),
        (verify.INTEGER_LIMIT_STEPS + 1, False),
    ):
        found = verify.parity(tflite, expected, [[expected[0][0] + np.int8(steps)]], "here")
        assert found.passed is passed
        assert found.max_abs_diff == pytest.approx(steps * 0.5)


def test_random_inputs_are_the_same_every_time():
    tflite = nets.eligible()
    first, second = (verify.sample_inputs(tflite, None, 3, seed=7) for _ in range(2))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    assert first[0][0].shape == (1, 16, 16, 3) and first[0][0].dtype == np.float32


def test_data_in_the_models_units_is_quantized_for_integer_inputs():
    net = Net()
    x = net.tensor((1, 2), "int8", scale=0.5)
    tensor = net.graph.tensors[x]
    tensor.quantization.zeroPoint = np.array([3], np.int64)
    assert verify.as_input(np.array([[1.0, 1e9]]), tensor).tolist() == [[5, 127]]


def test_data_of_another_size_is_refused():
    net = Net()
    x = net.input(1, 4)
    with pytest.raises(ModelError, match=r"shape \(5,\) for an input of shape \(4,\)"):
        verify.as_input(np.zeros((1, 5)), net.graph.tensors[x])


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


def test_a_conversion_that_changes_the_outputs_is_refused():
    tflite = dense_net()
    samples = verify.sample_inputs(tflite, None, 2)
    right = verify.reference_outputs(tflite, samples)
    verify.check_conversion(tflite, samples, right)
    with pytest.raises(VerifyError, match="does not compute"):
        verify.check_conversion(tflite, samples, [[o + 0.1 for o in row] for row in right])
    with pytest.raises(VerifyError):
        verify.check_conversion(tflite, samples, [[o * np.nan for o in row] for row in right])


def test_a_file_that_the_runtime_refuses_is_one_line():
    net = Net()
    x = net.input(1, 4)
    out = net.op("FULLY_CONNECTED", [x, x, -1], (1, 4), "FullyConnectedOptions", version=99)
    with pytest.raises(ModelError, match=r"^LiteRT on the host cannot run the model: [^\n]+$"):
        verify.HostModel(net.build(out), reference=True)


def test_outputs_that_do_not_depend_on_the_input_are_flat():
    tflite = dense_net()
    assert verify.is_flat(tflite, samples_of([1, 2, 3], [1, 2, 3.001]))
    assert not verify.is_flat(tflite, samples_of([1, 2, 3], [1, 2, 3.1]))
    assert not verify.is_flat(tflite, samples_of([1, 2, 3]))
