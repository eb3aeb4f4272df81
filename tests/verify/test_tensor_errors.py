import numpy as np
import pytest
from nets import eligible

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
