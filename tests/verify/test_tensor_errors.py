import numpy as np
import pytest
from nets import Net, eligible

from edgeprune import verify
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.quantize import quantize
from edgeprune.sparsify import sparsify
from edgeprune.verify.filters import filters_of

A72 = resolved_cpu(load_board("rpi4").cpu)


@pytest.mark.parametrize(
    ("mode", "stored_as", "least_db"),
    [
        ("fp16", "float16", 60),
        ("int8-weights", "int8", 35),
        ("int8", "int8", 35),
        ("int16x8", "int8", 35),
    ],
)
def test_every_tensor_of_the_sparse_file_is_compared_with_its_floats(mode, stored_as, least_db):
    before = eligible(0.9)
    after = sparsify(quantize(before, mode, None).tflite, A72).tflite
    found = verify.tensor_errors(before, after)
    assert len(found) == len(filters_of(before))
    assert {one.stored_as for one in found} == {stored_as}
    for one, filter_ in zip(found, filters_of(before), strict=True):
        assert least_db < one.sqnr_db < 100 and 0 < one.mse < one.max_abs_error
        assert one.zeros_after >= one.zeros_before == np.count_nonzero(filter_.values == 0)
        assert one.distinct_after <= one.distinct_before


def test_a_step_of_int8_bounds_the_largest_error():
    before = eligible(0.5)
    for one, filter_ in zip(
        verify.tensor_errors(before, quantize(before, "int8-weights", None).tflite),
        filters_of(before),
        strict=True,
    ):
        assert one.max_abs_error <= np.abs(filter_.values).max() / 127 * 0.501 or one.zeros_before


def test_the_same_weights_have_no_error_and_no_ratio():
    tflite = eligible(0.9)
    found = verify.tensor_errors(tflite, sparsify(tflite, A72).tflite)
    assert all((one.mse, one.sqnr_db, one.max_abs_error) == (0, None, 0) for one in found)


def dense(values, **stored):
    """A dense layer with these weights; int8 ones stand behind a DEQUANTIZE."""
    net = Net()
    x = net.input(1, values.shape[1])
    kept = net.const(values, **stored)
    if values.dtype == np.int8:
        kept = net.op("DEQUANTIZE", [kept], values.shape, "DequantizeOptions", version=3)
    shape = (1, len(values))
    return net.build(net.op("FULLY_CONNECTED", [x, kept, -1], shape, "FullyConnectedOptions"))


def test_the_errors_of_a_small_layer_are_those_worked_out_by_hand():
    before = dense(np.array([[0, 1.0, 2.0, 4.0], [0, 1.0, 2.0, -3.0]], np.float32))
    after = dense(np.array([[0, 0, 4, 8], [0, 2, 3, -6]], np.int8), scale=[0.5])
    (one,) = verify.tensor_errors(before, after)  # off by 1, 0, 0 and by 0, 0.5, 0
    assert (one.op, one.stored_as, one.weights) == ("FULLY_CONNECTED", "int8", 8)
    assert one.name == filters_of(after)[0].name
    assert one.mse == pytest.approx(1.25 / 8) and one.max_abs_error == 1.0
    assert one.sqnr_db == pytest.approx(10 * np.log10((1 + 4 + 16 + 1 + 4 + 9) / 1.25))
    assert (one.zeros_before, one.zeros_after) == (2, 3)
    assert (one.distinct_before, one.distinct_after) == (5, 6)


def test_tensors_that_are_in_one_file_only_are_left_out():
    values = np.ones((2, 3), np.float32)
    net = Net()
    x = net.dense(net.input(1, 3), 4)
    other = net.build(net.dense(x, 5))
    assert verify.tensor_errors(dense(values), other) == []


def test_weights_of_zeros_that_became_something_have_no_ratio():
    before, after = np.zeros((2, 2), np.float32), np.array([[0, 0], [0, -0.5]], np.float32)
    (one,) = verify.tensor_errors(dense(before), dense(after))
    assert one.sqnr_db is None and (one.mse, one.max_abs_error) == (0.0625, 0.5)
