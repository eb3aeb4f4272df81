import numpy as np
import pytest
from nets import Net
from odd_nets import OddNet

from edgeprune import verify
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.verify.parity import (
    FLOAT_REFERENCE,
    INTEGER_REFERENCE,
    is_right,
    limit_of,
    real_values,
)


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
    assert found.limit == pytest.approx(0.7e-3)


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
    assert not found.passed and found.max_abs_diff == np.inf


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


def int_tensor(dtype="int8", scale=(0.5,), zero_point=(3,)):
    net = OddNet()
    tensor = net.graph.tensors[net.tensor((1, 4), dtype, scale=np.array(scale, np.float32))]
    tensor.quantization.zeroPoint = np.array(zero_point, np.int64)
    return tensor


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_stand_for_their_distance_from_the_zero_point_in_steps(dtype):
    values = np.array([[3, 5, 1]], dtype)
    found = real_values(values, int_tensor(dtype))
    assert found.tolist() == [[0.0, 1.0, -1.0]] and found.dtype == np.float64


def test_values_without_a_scale_and_floats_stand_for_themselves():
    for tensor in bare_tensors():
        assert real_values(np.array([3, 5], np.int8), tensor).tolist() == [3.0, 5.0]
        assert limit_of(np.array([3.0]), tensor) == verify.INTEGER_LIMIT_STEPS
    found = real_values(np.array([3.0, 5.0], np.float32), int_tensor())
    assert found.tolist() == [3.0, 5.0] and found.dtype == np.float64


def bare_tensors():
    for missing in ("quantization", "scale", "values"):
        tensor = int_tensor()
        if missing == "quantization":
            tensor.quantization = None
        else:
            tensor.quantization.scale = None if missing == "scale" else np.zeros(0, np.float32)
        yield tensor


def test_the_limit_of_integers_is_four_steps_and_of_floats_a_thousandth_of_the_largest():
    for dtype in ("int8", "uint8"):
        assert limit_of(np.array([100.0]), int_tensor(dtype, scale=(0.25,))) == 1.0
    tensor = graph.read(dense_net()).subgraphs[0].tensors[0]
    assert limit_of(np.array([-50.0, 20.0]), tensor) == pytest.approx(0.05)
    assert limit_of(np.zeros(0), tensor) == 0.0


def test_a_single_value_is_right_within_its_limit():
    tensor = graph.read(dense_net()).subgraphs[0].tensors[0]
    right = np.array([[1.0, 8.0]])
    assert is_right(np.array([[1.0078125, 7.9921875]]), right, tensor) is True
    assert is_right(np.array([[1.0, 8.0078125]]), right, tensor) is True
    assert is_right(np.array([[1.0, 8.01]]), right, tensor) is False
    edge = int_tensor(scale=(0.5,))
    assert is_right(np.array([14], np.int8), np.array([10], np.int8), edge)
    assert not is_right(np.array([15], np.int8), np.array([10], np.int8), edge)


def test_a_difference_of_just_the_limit_passes():
    expected, limit = samples_of([0.0, 1000.0, 1.0]), 1.0
    found = verify.parity(dense_net(), expected, samples_of([limit, 1000.0, 1.0]), "here")
    assert (found.passed, found.max_abs_diff, found.limit) == (True, 1.0, 1.0)


def two_outputs():
    net = Net()
    x = net.input(1, 4)
    return net.build(net.dense(x, 3), net.dense(x, 2))


def pair(first, second):
    return [np.array([first], np.float32), np.array([second], np.float32)]


@pytest.mark.parametrize(
    ("first", "second", "passed", "worst", "limit"),
    [
        ([1000, 0, 0.25], [10, 0], True, 0.25, 1.0),
        ([1000, 0, 0], [10, 0.0078125], True, 0.0078125, 0.01),
        ([1000, 0, 0.5], [10, 0.25], False, 0.25, 0.01),  # the second is wrong
        ([1000, 0, 2.0], [10, 4.0], False, 2.0, 1.0),  # both: the first is reported
        ([1000, 0, 2.0], [10, 0.0], False, 2.0, 1.0),
    ],
)
def test_the_output_that_is_reported_is_the_first_wrong_one_or_the_farthest(
    first, second, passed, worst, limit
):
    expected = [pair([1000, 0, 0], [10, 0])]
    found = verify.parity(two_outputs(), expected, [pair(first, second)], "here")
    assert (found.passed, found.max_abs_diff) == (passed, worst)
    assert found.limit == pytest.approx(limit)


def test_rounding_widens_the_limit_of_its_own_output():
    expected = [pair([1000, 0, 0], [10, 0])]
    off = [pair([1000, 0, 0], [10, 0.25])]
    for rounding, passed in (((0.0, 0.025), True), ((0.0, 0.024), False), ((0.025, 0.0), False)):
        assert verify.parity(two_outputs(), expected, off, "", rounding).passed is passed
    assert verify.parity(two_outputs(), expected, off, "", (0.0, 0.05)).limit == 0.5


def test_classes_agree_where_the_largest_output_is_the_same():
    expected = samples_of([1, 2, 3], [3, 2, 1], [1, 9, 1], [1, 1, 5])
    found = samples_of([1, 2, 4], [0, 2, 1], [1, 8, 1], [1, 1, 5])
    agreed = verify.parity(dense_net(), expected, found, "")
    assert agreed.argmax_agreement == 0.75
    one = [[np.ones((1, 1), np.float32)]]
    assert verify.parity(dense_net(1), one, one, "").argmax_agreement is None
    both = [[np.ones((1, 2), np.float32)]]
    assert verify.parity(dense_net(2), both, both, "").argmax_agreement == 1.0
    flat = [[np.ones((2,), np.float32)]]
    assert verify.parity(dense_net(2), flat, flat, "").argmax_agreement is None


def hybrid():
    """A dense layer of int8 weights on floats, which computes on integers."""
    net = Net()
    filters = net.const(np.ones((4, 8), np.int8), scale=0.01)
    inputs = [net.input(1, 8), filters, -1]
    return net.build(net.op("FULLY_CONNECTED", inputs, (1, 4), "FullyConnectedOptions"))


def test_the_reference_is_named():
    rows = samples_of([0, 1, 2, 3])
    for tflite, xnnpack, expected in (
        (dense_net(4), True, FLOAT_REFERENCE),
        (hybrid(), True, INTEGER_REFERENCE),
        (hybrid(), False, FLOAT_REFERENCE),
    ):
        assert verify.parity(tflite, rows, rows, "", xnnpack=xnnpack).reference == expected
        comparison = verify.Comparison("net", tflite, tflite, [], rows, (), xnnpack)
        assert comparison.parity(rows, "desk").reference == expected
        assert comparison.parity(rows, "desk").where == "desk"
        assert comparison.parity(rows).where == ""
    assert verify.parity(hybrid(), rows, rows, "").reference == INTEGER_REFERENCE


def test_a_comparison_of_one_sample_has_that_sample_alone():
    rows = samples_of([1, 2, 3], [4, 5, 6], [7, 8, 9])
    inputs = samples_of([0, 0, 1], [0, 0, 2], [0, 0, 3])
    comparison = verify.Comparison("net", b"", dense_net(), inputs, rows, (0.5,), xnnpack=False)
    one = comparison.only(1)
    assert [row[0].tolist() for row in one.expected] == [[[4, 5, 6]]]
    assert [row[0].tolist() for row in one.samples] == [[[0, 0, 2]]]
    assert (one.name, one.rounding, one.xnnpack) == ("net", (0.5,), False)


def test_rounding_is_remarked_on_from_where_it_decides_the_limit():
    # The largest output is 100: 0.1 passes, and so do ten times 0.01.
    rows = ([0.0, -100.0, 1.0], [50.0, 3.0, 1.0])
    assert comparison_of(dense_net(), (0.0099,), *rows).weakness() == ""
    remark = comparison_of(dense_net(), (0.0101,), *rows).weakness()
    assert "right kernels differ by 0.0001 of its largest output" in remark


def test_rounding_of_every_output_is_looked_at_and_of_those_without_a_number_nothing():
    rows = [pair([1, 2, 3], [10, 0]), pair([3, 2, 1], [0, 10])]
    tflite = two_outputs()
    for rounding, is_weak in (((0.0, 0.1), True), ((0.0, 0.0), False), ((0.0,), False)):
        comparison = verify.Comparison("net", tflite, tflite, [], rows, rounding)
        assert bool(comparison.weakness()) is is_weak


def test_outputs_are_flat_only_if_all_of_them_are():
    tflite = two_outputs()
    same = pair([1000, 0, 0], [10, 0])
    assert verify.is_flat(tflite, [same, pair([1000, 0, 1.0], [10, 0])])
    assert not verify.is_flat(tflite, [same, pair([1000, 0, 1.5], [10, 0])])
    assert not verify.is_flat(tflite, [same, pair([1000, 0, 0], [10, 0.5])])
