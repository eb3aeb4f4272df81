import numpy as np
import pytest
from nets import Net

from edgeprune import verify
from edgeprune.errors import ModelError


def test_a_file_that_the_runtime_refuses_is_one_line():
    net = Net()
    x = net.input(1, 4)
    out = net.op("FULLY_CONNECTED", [x, x, -1], (1, 1), "FullyConnectedOptions", version=99)
    with pytest.raises(ModelError, match=r"^LiteRT on the host cannot run the model: [^\n]+$"):
        verify.HostModel(net.build(out), reference=True)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_kernel_as_large_as_its_map_is_computed_as_xnnpack_does(size):
    net = Net()
    tflite = net.build(net.conv(net.input(1, size, size, 4), 6, kernel=size))
    (sample,) = verify.sample_inputs(tflite, None, 1)
    found = [verify.HostModel(tflite, reference=flag)(sample)[0] for flag in (True, False)]
    assert np.allclose(*found, atol=1e-5)


def chaotic(layers, gain=3.0):
    """A deep network of saturated layers: what is small at its input is large at its end."""
    net = Net()
    x = net.input(1, 64)
    for _ in range(layers):
        filters = net.const(net.weights((64, 64)) * np.float32(gain))
        x = net.op("FULLY_CONNECTED", [x, filters, -1], (1, 64), "FullyConnectedOptions")
        x = net.op("TANH", [x], (1, 64))
    return net.build(x)


def test_rounding_is_small_in_a_shallow_network_and_large_in_one_that_amplifies_it():
    shallow, deep = chaotic(2), chaotic(25)
    samples = verify.sample_inputs(shallow, None, 4)
    assert 0 < verify.rounding_of(shallow, samples)[0] < 1e-5
    assert verify.rounding_of(deep, samples)[0] > 1e-3


def test_rounding_has_one_number_an_output_and_none_for_integers():
    net = Net()
    x = net.input(1, 8)
    two = net.build(net.dense(x, 3), net.relu(x))
    found = verify.rounding_of(two, verify.sample_inputs(two, None, 2))
    assert len(found) == 2 and found[1] == 0.0
    net = Net()
    filters = net.const(np.ones((4, 8), np.int8), scale=0.01)
    x = net.input(1, 8)
    hybrid = net.build(net.op("FULLY_CONNECTED", [x, filters, -1], (1, 4), "FullyConnectedOptions"))
    assert verify.rounding_of(hybrid, verify.sample_inputs(hybrid, None, 2)) == [0.0]


def test_without_xnnpack_integers_have_the_built_in_kernels_as_reference():
    net = Net()
    filters = net.const(np.arange(-16, 16, dtype=np.int8).reshape(4, 8), scale=0.01)
    x = net.input(1, 8)
    hybrid = net.build(net.op("FULLY_CONNECTED", [x, filters, -1], (1, 4), "FullyConnectedOptions"))
    samples = verify.sample_inputs(hybrid, None, 4)
    fast = verify.reference_outputs(hybrid, samples)
    built_in = verify.reference_outputs(hybrid, samples, xnnpack=False)
    gap = max(float(np.abs(a[0] - b[0]).max()) for a, b in zip(fast, built_in, strict=True))
    assert gap > 0
    assert verify.rounding_of(hybrid, samples, xnnpack=False) == [pytest.approx(gap)]
    found = verify.Comparison(
        "net", hybrid, hybrid, samples, built_in, (gap,), xnnpack=False
    ).parity(built_in)
    assert found.reference.startswith("LiteRT built-in kernels") and found.limit >= gap
