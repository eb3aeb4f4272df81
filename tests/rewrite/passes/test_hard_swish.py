import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import ACTIVATIONS, Net
from small_passes import applied, operators

from edgeprune.rewrite.passes import hard_swish


def scalar(net, op, x, value, act=None, rank=0):
    constant = net.const(np.full((1,) * rank, value, np.float32))
    options = f"{op.title()}Options"
    code = ACTIVATIONS[act]
    return net.op(op, [x, constant], net.shape(x), options, fusedActivationFunction=code)


def times(net, x, y):
    return net.op("MUL", [x, y], net.shape(x), "MulOptions")


def clamped(net, x, fused, shift=3.0):
    if fused:
        return scalar(net, "ADD", x, shift, act="RELU6")
    return net.op("RELU6", [scalar(net, "ADD", x, shift)], net.shape(x))


ORDERS = ["scale last", "scale the clamped", "scale x"]


def spelt_out(net, x, order, fused=True, divide=False, swap=False, shift=3.0, by=6.0):
    def scaled(y):
        return scalar(net, "DIV", y, by) if divide else scalar(net, "MUL", y, 1 / by)

    left, right = x, clamped(net, x, fused, shift)
    if order == "scale the clamped":
        right = scaled(right)
    elif order == "scale x":
        left = scaled(left)
    product = times(net, right, left) if swap else times(net, left, right)
    return scaled(product) if order == "scale last" else product


@settings(deadline=None, max_examples=examples(10, 40))
@given(
    order=st.sampled_from(ORDERS),
    fused=st.booleans(),
    divide=st.booleans(),
    swap=st.booleans(),
    seed=st.integers(0, 5),
)
def test_a_hard_swish_in_any_order_becomes_one_operator(order, fused, divide, swap, seed):
    net = Net(seed)
    x = scalar(net, "MUL", net.input(1, 6, 6, 4), 8.0)
    x = scalar(net, "SUB", x, 4.0)
    after, notes = applied(
        net.build(spelt_out(net, x, order, fused, divide, swap)), hard_swish.apply
    )
    assert operators(after) == ["MUL", "SUB", "HARD_SWISH"]
    assert [note.done for note in notes] == [True]


@pytest.mark.parametrize("shift, by", [(2.5, 6.0), (3.0, 5.0), (3.0, 6.001), (-3.0, 6.0)])
@pytest.mark.parametrize("order", ORDERS)
def test_other_constants_are_no_hard_swish(order, shift, by):
    net = Net()
    tflite = net.build(spelt_out(net, net.input(1, 6, 6, 4), order, shift=shift, by=by))
    after, notes = applied(tflite, hard_swish.apply)
    assert operators(after) == operators(tflite) and not notes


def test_the_clamp_of_another_map_is_no_hard_swish():
    net = Net()
    x, y = net.input(1, 6, 6, 4), net.input(1, 6, 6, 4)
    tflite = net.build(scalar(net, "MUL", times(net, x, clamped(net, y, True)), 1 / 6))
    after, _ = applied(tflite, hard_swish.apply)
    assert operators(after) == operators(tflite)


def test_a_product_that_others_read_too_is_not_taken_apart():
    net = Net()
    x = net.input(1, 6, 6, 4)
    product = times(net, x, clamped(net, x, True))
    tflite = net.build(scalar(net, "MUL", product, 1 / 6), net.relu(product))
    after, _ = applied(tflite, hard_swish.apply)
    assert operators(after) == operators(tflite)


def test_a_clamp_that_others_read_too_stays_for_them():
    net = Net()
    x = net.input(1, 6, 6, 4)
    clamp = clamped(net, x, True)
    tflite = net.build(scalar(net, "MUL", times(net, x, clamp), 1 / 6), net.relu(clamp))
    after, _ = applied(tflite, hard_swish.apply)
    assert sorted(operators(after)) == ["ADD", "HARD_SWISH", "RELU"]


def test_an_activation_behind_the_product_is_not_lost():
    net = Net()
    x = net.input(1, 6, 6, 4)
    product = times(net, x, clamped(net, x, True))
    tflite = net.build(scalar(net, "MUL", product, 1 / 6, act="RELU"))
    after, _ = applied(tflite, hard_swish.apply)
    assert operators(after) == operators(tflite)
