import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from small_passes import applied, operators, runs_sparse_and_right, sparse_layers

from edgeprune.rewrite.passes import dense_to_pointwise


def to_map(net, x):
    count, channels = net.shape(x)
    shape = (count, 1, 1, channels)
    return net.op("RESHAPE", [x, net.const(np.array(shape, np.int32))], shape, "ReshapeOptions")


def gate(net, x, hidden=8, sparsity=0.0, act="RELU"):
    """Squeeze and excite with dense layers; the product with ``x``."""
    channels = net.shape(x)[3]
    v = net.dense(net.mean(x), hidden, sparsity)
    if act == "SWISH":
        v = net.op("MUL", [v, net.op("LOGISTIC", [v], net.shape(v))], net.shape(v), "MulOptions")
    else:
        v = net.op(act, [v], net.shape(v))
    v = net.dense(v, channels, sparsity)
    v = net.op("LOGISTIC", [v], net.shape(v))
    return net.op("MUL", [x, to_map(net, v)], net.shape(x), "MulOptions")


@settings(deadline=None, max_examples=examples(10, 30))
@given(
    size=st.integers(1, 6),
    hidden=st.integers(1, 9),
    act=st.sampled_from(["RELU", "RELU6", "HARD_SWISH", "SWISH", "TANH"]),
    seed=st.integers(0, 5),
)
def test_dense_layers_between_a_mean_and_a_map_become_convolutions(size, hidden, act, seed):
    net = Net(seed)
    x = net.conv(net.input(1, size, size + 1, 3), 12)
    after, notes = applied(net.build(gate(net, x, hidden, act=act)), dense_to_pointwise.apply)
    found = operators(after)
    assert "RESHAPE" not in found and "FULLY_CONNECTED" not in found
    assert found.count("CONV_2D") == 3
    assert [note.done for note in notes] == [True]


def test_a_mean_that_is_reshaped_at_once_keeps_its_dimensions():
    net = Net()
    x = net.conv(net.input(1, 5, 5, 3), 12)
    x = net.op("MUL", [x, to_map(net, net.mean(x))], net.shape(x), "MulOptions")
    after, _ = applied(net.build(x), dense_to_pointwise.apply)
    assert operators(after) == ["CONV_2D", "MEAN", "MUL"]


def near_misses():
    def head(net, x):
        return (net.dense(net.mean(x), 5),)

    def vector_wanted(net, x):
        v = net.mean(x)
        return net.op("MUL", [x, to_map(net, v)], net.shape(x), "MulOptions"), v

    def also_softmax(net, x):
        v = net.mean(x)
        y = net.op("MUL", [x, to_map(net, v)], net.shape(x), "MulOptions")
        return y, net.op("SOFTMAX", [v], net.shape(v), "SoftmaxOptions", beta=1.0)

    def map_wanted(net, x):
        return (to_map(net, net.mean(x)),)

    def two_dimensional(net, x):
        shape = (1, 3, 4)
        target = net.const(np.array(shape, np.int32))
        return (net.op("RESHAPE", [net.mean(x), target], shape, "ReshapeOptions"),)

    return [head, vector_wanted, also_softmax, map_wanted, two_dimensional]


@pytest.mark.parametrize("outputs", near_misses(), ids=lambda f: f.__name__)
def test_vectors_that_somebody_else_needs_stay_vectors(outputs):
    net = Net()
    tflite = net.build(*outputs(net, net.conv(net.input(1, 5, 5, 3), 12)))
    after, notes = applied(tflite, dense_to_pointwise.apply)
    assert operators(after) == operators(tflite) and not notes


def with_gate():
    net = Net()
    x = net.conv(net.pad(net.input(1, 32, 32, 3)), 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 32, sparsity=0.9)
    x = gate(net, x, sparsity=0.9)
    return net.build(net.mean(net.conv(x, 64, sparsity=0.9)))


def test_a_cluster_goes_on_through_squeeze_and_excite():
    before = with_gate()
    after, _ = applied(before, dense_to_pointwise.apply)
    assert (len(sparse_layers(before)), len(sparse_layers(after))) == (0, 4)


@pytest.mark.device
def test_it_does_on_the_board_too(tmp_path):
    assert runs_sparse_and_right(applied(with_gate(), dense_to_pointwise.apply)[0], tmp_path)
