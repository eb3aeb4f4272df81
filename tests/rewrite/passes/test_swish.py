import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from same_outputs import gap, names_of

from edgeprune.models.tflite import graph
from edgeprune.rewrite.passes import swish


def swished(net, x):
    return net.op("MUL", [x, net.op("LOGISTIC", [x], net.shape(x))], net.shape(x), "MulOptions")


def rewritten(tflite):
    model = graph.read(tflite)
    notes = swish.apply(model)
    return graph.write(model), notes


@given(st.integers(0, 99), st.sampled_from([0.1, 1.0, 10.0]))
@settings(max_examples=examples(10, 30))
def test_swish_of_a_layer_becomes_a_tangent_and_computes_the_same(seed, scale):
    net = Net(seed)
    x = net.conv(net.input(1, 6, 5, 3), 8, kernel=3, act=None)
    x = net.depthwise(swished(net, x), act=None)
    x = swished(net, x)
    before = net.build(net.dense(net.mean(net.conv(x, 8)), 4))
    after, notes = rewritten(before)
    assert [note.done for note in notes] == [True, True]
    assert "LOGISTIC" not in names_of(after)
    assert names_of(after).count("TANH") == 2
    assert gap(before, after) < 1e-6


@pytest.mark.parametrize("case", ["activation", "shared", "output", "gate"])
def test_near_misses_are_left_alone(case):
    net = Net()
    x = net.conv(net.input(1, 6, 6, 3), 8, act="RELU" if case == "activation" else None)
    outputs = [x] if case == "output" else []
    if case == "gate":  # another map is multiplied
        y = net.op("MUL", [net.relu(x), net.op("LOGISTIC", [x], net.shape(x))], net.shape(x))
    else:
        y = swished(net, x)
    if case == "shared":
        y = net.add(x, y)
    before = net.build(*outputs, y)
    after, notes = rewritten(before)
    assert notes == []
    assert names_of(after) == names_of(before)


def test_large_inputs_of_either_sign_stay_right():
    net = Net()
    filters = np.diag(np.linspace(-90, 90, 64)).astype(np.float32).reshape(64, 1, 1, 64)
    x = net._conv("CONV_2D", net.input(1, 2, 2, 64), filters, 64, 1, "SAME", act=None)
    before = net.build(swished(net, x))
    after, _ = rewritten(before)
    assert "TANH" in names_of(after)
    assert gap(before, after) < 1e-6
