import nets
import numpy as np
import pytest
from nets import Net

from edgeprune import verify
from edgeprune.errors import ModelError


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


def test_test_samples_come_first_and_random_inputs_fill_up():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 4)))
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = verify.sample_inputs(tflite, x, 5)
    assert [len(row) for row in found] == [1] * 5
    assert np.array_equal(np.concatenate([row[0] for row in found[:3]]), x)
    assert all(row[0].max() < 1 for row in found[3:])
    assert len(verify.sample_inputs(tflite, x, 2)) == 2
