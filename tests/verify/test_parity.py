import numpy as np
import pytest
from nets import Net

from edgeprune import verify
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.verify.parity import is_right


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


def test_a_model_without_outputs_is_refused_by_that_name():
    model = graph.read(dense_net())
    model.subgraphs[0].outputs = []
    silent = graph.write(model)
    with pytest.raises(ModelError, match="the model has no outputs"):
        verify.parity(silent, [[]], [[]], "here")
    with pytest.raises(ModelError, match="the model has no outputs"):
        verify.sample_inputs(silent, None, 1)


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


def test_outputs_that_do_not_depend_on_the_input_are_flat():
    tflite = dense_net()
    assert verify.is_flat(tflite, samples_of([1, 2, 3], [1, 2, 3.001]))
    assert not verify.is_flat(tflite, samples_of([1, 2, 3], [1, 2, 3.1]))
    assert not verify.is_flat(tflite, samples_of([1, 2, 3]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_no_number_is_not_right(bad):
    tensor = graph.read(dense_net()).subgraphs[0].tensors[0]
    right = np.ones((1, 4), np.float32)
    wrong = right.copy()
    wrong[0, 2] = bad
    assert is_right(right, right, tensor)
    assert not is_right(wrong, right, tensor)
    assert not is_right(right, wrong, tensor)


def comparison_of(tflite, rounding, *rows):
    return verify.Comparison("net", tflite, tflite, [], samples_of(*rows), rounding)


def test_a_network_that_amplifies_rounding_gets_a_wider_limit_and_a_remark():
    rows = [0.0, 100.0, 1.0], [50.0, 3.0, 1.0]
    off = samples_of([0.0, 102.0, 1.0], [50.0, 3.0, 1.0])
    steady = comparison_of(dense_net(), (1e-3,), *rows)
    assert not steady.parity(off).passed and steady.weakness() == ""
    rough = comparison_of(dense_net(), (0.3,), *rows)
    assert rough.parity(off).passed and rough.parity(off).limit == pytest.approx(3.0)
    assert "amplifies rounding (right kernels differ by 0.003 of its" in rough.weakness()


def test_outputs_that_hardly_depend_on_the_inputs_get_a_remark():
    flat = comparison_of(dense_net(), (0.0,), [1, 2, 3], [1, 2, 3.001])
    assert "hardly depend on the inputs" in flat.weakness()


def test_rounding_of_a_network_on_integers_passes_once():
    net = Net()
    filters = net.const(np.ones((4, 8), np.int8), scale=0.01)
    x = net.input(1, 8)
    out = net.op("FULLY_CONNECTED", [x, filters, -1], (1, 4), "FullyConnectedOptions")
    tflite = net.build(out)
    expected = samples_of([0, 1, 2, 3])
    for off, passes in ((0.4, True), (0.6, False)):
        comparison = verify.Comparison("net", tflite, tflite, [], expected, (0.5,), xnnpack=False)
        assert comparison.parity([[expected[0][0] + np.float32(off)]]).passed is passes
