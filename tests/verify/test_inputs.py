import nets
import numpy as np
import pytest
from int8_operators import Operators
from nets import Net
from odd_nets import OddNet

from edgeprune import verify
from edgeprune.errors import ModelError
from edgeprune.verify.inputs import as_inputs


def test_random_inputs_are_the_same_every_time():
    tflite = nets.eligible()
    first, second = (verify.sample_inputs(tflite, None, 3, seed=7) for _ in range(2))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    assert first[0][0].shape == (1, 16, 16, 3) and first[0][0].dtype == np.float32
    other, unsaid = verify.sample_inputs(tflite, None, 1, 0), verify.sample_inputs(tflite, None, 1)
    assert np.array_equal(other[0][0], unsaid[0][0])
    assert not np.array_equal(other[0][0], first[0][0])


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


def entry(dtype, shape=(2, 50), name=b"in"):
    """A model with one input of a type."""
    net = OddNet()
    x = net.entry(shape, dtype)
    net.graph.tensors[x].name = name
    return net.build(net.raw("SHAPE", [x], [net.tensor((2,), "int32")], "ShapeOptions"))


def random_inputs(dtype, count=40):
    rows = verify.sample_inputs(entry(dtype), None, count)
    values = np.stack([row[0] for row in rows])
    assert values.dtype == np.dtype(dtype) and values.shape == (count, 2, 50)
    return values


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_random_floats_are_of_another_strength_in_each_input(dtype):
    values = random_inputs(dtype)
    assert values.min() >= 0 and values.max() < 1
    largest = values.max(axis=(1, 2))
    assert largest.min() < 0.2 < 0.8 < largest.max()
    # Uniform in [0, c): half of them lie below c / 2, up to a few of the hundred.
    below = (values < largest[:, None, None] / 2).mean(axis=(1, 2))
    assert below.min() > 0.3 and below.max() < 0.7


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_random_integers_span_their_type(dtype):
    values, limits = random_inputs(dtype, 100), np.iinfo(dtype)
    near = (limits.max - limits.min) // 100
    assert values.min() <= limits.min + near and values.max() >= limits.max - near
    if dtype != "int16":
        assert (values.min(), values.max()) == (limits.min, limits.max)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_random_indices_and_truths_are_zero_or_one(dtype):
    values = random_inputs(dtype)
    assert set(np.unique(values).tolist()) == {0, 1}
    assert 0.4 < values.mean() < 0.6


def test_an_input_that_cannot_be_made_is_named():
    with pytest.raises(ModelError, match="input 'words' has a type edgeprune cannot make"):
        verify.sample_inputs(entry("string", name=b"words"), None, 1)


def test_unknown_sizes_of_an_input_are_one():
    net = OddNet()
    x = net.open(net.entry((1, 1, 3)), -1, -1, 3)
    tflite = net.build(net.relu(x))
    assert verify.sample_inputs(tflite, None, 1)[0][0].shape == (1, 1, 3)
    net.graph.tensors[x].shape = np.array([0, -1, 3], np.int32)
    assert verify.as_input(np.ones((1, 3)), net.graph.tensors[x]).shape == (1, 1, 3)


def test_a_model_with_several_inputs_gets_random_ones():
    net = Net()
    tflite = net.build(net.add(net.input(1, 4), net.input(1, 4)))
    found = verify.sample_inputs(tflite, np.ones((3, 4), np.float32), 3)
    assert [len(row) for row in found] == [2, 2, 2]
    assert not any((value == 1).all() for row in found for value in row)


def quantized(dtype, scale=(0.5,), zero_point=(3,)):
    net = OddNet()
    tensor = net.graph.tensors[net.tensor((1, 4), dtype, scale=np.array(scale, np.float32))]
    tensor.quantization.zeroPoint = np.array(zero_point, np.int64)
    return tensor


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int8", [5, -128, 127, 4]),
        ("uint8", [5, 0, 255, 4]),
        ("float32", [1.0, -1e9, 1e9, 0.6]),  # a scale on floats means nothing
    ],
)
def test_data_is_rounded_to_steps_and_cut_to_the_type(dtype, expected):
    found = verify.as_input(np.array([[1.0, -1e9, 1e9, 0.6]]), quantized(dtype))
    assert found.dtype == np.dtype(dtype) and found[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_several_samples_are_stored_as_each_by_itself(dtype):
    tensor, values = quantized(dtype), np.random.default_rng(0).normal(0, 60, (5, 2, 2))
    found = as_inputs(values, tensor)
    assert found.shape == (5, 1, 4)
    for row, one in zip(found, values, strict=True):
        assert np.array_equal(row, verify.as_input(one[None], tensor))
    with pytest.raises(ModelError, match=r"shape \(3,\) for an input of shape \(4,\)"):
        as_inputs(np.zeros((4, 3)), tensor)  # as many values as three samples have


@pytest.mark.parametrize("missing", ["quantization", "scale", "values"])
def test_integers_without_a_scale_are_stored_as_they_are(missing):
    tensor = quantized("int8")
    if missing == "quantization":
        tensor.quantization = None
    elif missing == "scale":
        tensor.quantization.scale = None
    else:
        tensor.quantization.scale = np.zeros(0, np.float32)
    assert verify.as_input(np.array([[1.0, 2, 3, 4]]), tensor).tolist() == [[1, 2, 3, 4]]


def test_random_floats_that_are_quantized_at_once_span_their_integers():
    net = Operators()
    x = net.input(1, 1000)
    tflite = net.finished(net.make("QUANTIZE", [x], (1, 1000), 0.5, 100))
    ((found,),) = verify.sample_inputs(tflite, None, 1)
    assert found.dtype == np.float32
    assert -114 <= found.min() < -110 and 11 < found.max() <= 13.5


def test_what_an_emulator_computes_for_seconds_is_compared_on_fewer_inputs():
    net = Net()
    small = net.build(net.conv(net.input(1, 8, 8, 4), 4))
    net = Net()
    large = net.build(net.conv(net.input(1, 160, 160, 64), 64))  # 105 million multiplications
    assert [verify.compared(None), verify.compared(None, small)] == [16, 16]
    assert verify.compared(None, large) == 4
    assert verify.compared(9, large) == 9
