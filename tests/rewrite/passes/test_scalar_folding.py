import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import ACTIVATIONS, Net
from small_passes import applied, operators, runs_sparse_and_right, sparse_layers

from edgeprune.models.tflite import graph
from edgeprune.rewrite.passes import scalar_folding

CHANNELS = 8
SHAPES = [(), (1,), (CHANNELS,), (1, 1, 1, CHANNELS)]
LAYERS = {
    "CONV_2D": lambda net, x, **rest: net.conv(x, CHANNELS, kernel=3, **rest),
    "DEPTHWISE_CONV_2D": lambda net, x, **rest: net.depthwise(x, **rest),
    "pointwise": lambda net, x, **rest: net.conv(x, CHANNELS, **rest),
}


def combined(net, x, op, shape=(), act=None, low=-2.0, values=None):
    if values is None:
        values = np.asarray(net.rng.uniform(low, 2, shape))
        values.reshape(-1)[:1] = low  # so that a range below zero gives a value below zero
    constant = net.const(np.asarray(values, np.float32))
    code = ACTIVATIONS[act]
    options = f"{op.title()}Options"
    return net.op(op, [x, constant], net.shape(x), options, fusedActivationFunction=code)


@settings(deadline=None, max_examples=examples(15, 60))
@given(
    layer=st.sampled_from(sorted(LAYERS)),
    op=st.sampled_from(["ADD", "MUL", "SUB", "DIV"]),
    shape=st.sampled_from(SHAPES),
    act=st.sampled_from([None, "RELU", "RELU6"]),
    is_output=st.booleans(),
    seed=st.integers(0, 9),
)
def test_constants_behind_a_linear_layer_go_into_it(layer, op, shape, act, is_output, seed):
    net = Net(seed)
    x = LAYERS[layer](net, net.input(1, 5, 6, CHANNELS), act=None)
    x = combined(net, x, op, shape, act, low=0.5)
    tflite = net.build(x if is_output else net.max_pool(x))
    after, notes = applied(tflite, scalar_folding.apply)
    assert operators(after) == [o for o in operators(tflite) if o != op]
    assert [note.done for note in notes] == [True]


@settings(deadline=None, max_examples=examples(10, 40))
@given(
    layer=st.sampled_from(sorted(LAYERS)),
    first=st.sampled_from(["RELU", "RELU6"]),
    op=st.sampled_from(["ADD", "MUL"]),
    act=st.sampled_from([None, "RELU", "RELU6"]),
    low=st.sampled_from([-2.0, 0.5]),
    seed=st.integers(0, 9),
)
def test_behind_an_activation_only_positive_factors_of_relu_do(layer, first, op, act, low, seed):
    net = Net(seed)
    x = LAYERS[layer](net, net.input(1, 5, 6, CHANNELS), act=first)
    x = combined(net, x, op, (CHANNELS,), act, low=low)
    after, _ = applied(net.build(net.max_pool(x)), scalar_folding.apply)
    folds = first == "RELU" and op == "MUL" and low > 0
    assert (op in operators(after)) is not folds


@settings(deadline=None, max_examples=examples(15, 60))
@given(
    layers=st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=3),
    op=st.sampled_from(["ADD", "MUL", "SUB", "DIV"]),
    shape=st.sampled_from(SHAPES),
    padding=st.sampled_from(["SAME", "VALID"]),
    seed=st.integers(0, 9),
)
def test_constants_in_front_go_into_all_layers_behind(layers, op, shape, padding, seed):
    net = Net(seed)
    x = combined(net, net.input(1, 5, 6, CHANNELS), op, shape, low=0.5)
    found = [LAYERS[name](net, x, padding=padding) for name in layers]
    after, _ = applied(net.build(*found), scalar_folding.apply)
    is_padded = padding == "SAME" and set(layers) != {"pointwise"}
    stays = op in ("ADD", "SUB") and is_padded
    assert (op in operators(after)) is stays


@settings(deadline=None, max_examples=examples(10, 30))
@given(shape=st.sampled_from([(), (4,)]), op=st.sampled_from(["MUL", "ADD"]))
def test_a_dense_layer_takes_constants_from_both_sides(shape, op):
    net = Net()
    x = combined(net, net.mean(net.input(1, 3, 3, 4)), op, shape)
    x = combined(net, net.dense(x, 4), op, shape)
    after, _ = applied(net.build(x), scalar_folding.apply)
    assert operators(after) == ["MEAN", "FULLY_CONNECTED"]


def hard_sigmoid_gate(net, x, sparsity=0.0):
    """What MobileNetV3 multiplies a map by: a hard sigmoid whose division comes last."""
    channels = net.shape(x)[3]
    g = net.conv(net.mean(x, keep=True), 4, act="RELU", sparsity=sparsity)
    g = net.conv(g, channels, act="RELU6", sparsity=sparsity)
    g = combined(net, g, "MUL", values=1 / 6)
    return net.op("MUL", [x, g], net.shape(x), "MulOptions")


@pytest.mark.parametrize(
    "between", ["nothing", "MEAN", "PAD", "RELU", "MAX_POOL_2D", "AVERAGE_POOL_2D"]
)
def test_hard_sigmoids_division_passes_the_product_into_the_next_convolution(between):
    net = Net()
    x = hard_sigmoid_gate(net, net.conv(net.input(1, 6, 6, 3), CHANNELS))
    if between == "MEAN":
        x = net.mean(x, keep=True)
    elif between == "PAD":
        x = net.pad(x)
    elif between == "RELU":
        x = net.relu(x)
    elif between == "MAX_POOL_2D":
        x = net.max_pool(x)
    elif between == "AVERAGE_POOL_2D":
        x = net.max_pool(x)
        net.graph.operators[-1].opcodeIndex = graph.opcode_index(net.model, between, 1)
    tflite = net.build(net.conv(x, 5))
    after, notes = applied(tflite, scalar_folding.apply)
    assert operators(after).count("MUL") == 1
    assert [note.done for note in notes] == [True]


def _branch_to_output(net, x):
    return net.conv(x, 5), net.relu(x)


def _residual(net, x):
    return (net.conv(net.add(x, net.conv(x, CHANNELS)), 5),)


def _square(net, x):
    return (net.conv(net.op("MUL", [x, x], net.shape(x), "MulOptions"), 5),)


def _sigmoid(net, x):
    return (net.conv(net.op("LOGISTIC", [x], net.shape(x)), 5),)


def _activation(net, x):
    y = net.op("MUL", [x, net.relu(x)], net.shape(x), "MulOptions")
    return (net.conv(y, 5),)


@pytest.mark.parametrize("behind", [_branch_to_output, _residual, _square, _sigmoid, _activation])
def test_a_factor_stays_if_one_way_from_it_does_not_end_in_a_layer(behind):
    net = Net()
    x = combined(net, net.input(1, 6, 6, CHANNELS), "MUL")
    tflite = net.build(*behind(net, x))
    after, notes = applied(tflite, scalar_folding.apply)
    assert operators(after) == operators(tflite) and not notes


def test_negative_factors_do_not_pass_a_relu_or_a_maximum():
    for name in ("relu", "max_pool"):
        net = Net()
        x = combined(net, net.input(1, 6, 6, CHANNELS), "MUL", values=-2.0)
        x = combined(net, x, "ADD", values=1.0)
        x = combined(net, x, "MUL", values=-0.5)
        tflite = net.build(net.conv(getattr(net, name)(x), 5))
        after, _ = applied(tflite, scalar_folding.apply)
        assert operators(after) == operators(tflite)


def test_a_hyperbolic_tangent_behind_the_constant_is_not_fused():
    net = Net()
    x = combined(net, net.dense(net.mean(net.input(1, 3, 3, 4)), 4), "ADD", values=1.0)
    model = graph.read(net.build(x))
    model.subgraphs[0].operators[-1].builtinOptions.fusedActivationFunction = 4
    assert not scalar_folding.apply(model)


def test_factors_near_the_limits_of_floats_stay():
    for value in (1e-30, 1e30, np.inf, np.nan):
        net = Net()
        x = combined(net, net.conv(net.input(1, 6, 6, 3), 4, act=None), "MUL", values=value)
        model = graph.read(net.build(x))
        assert not scalar_folding.apply(model)


def test_weights_that_another_layer_shares_are_not_changed_for_it():
    net = Net()
    x = net.input(1, 6, 6, CHANNELS)
    first = net.conv(x, CHANNELS, act=None)
    second = net.conv(x, CHANNELS, act=None)
    ops = net.graph.operators
    ops[1].inputs = ops[0].inputs
    tflite = net.build(combined(net, first, "MUL", values=3.0), net.relu(second))
    after, _ = applied(tflite, scalar_folding.apply)
    assert sorted(operators(after)) == ["CONV_2D", "CONV_2D", "RELU"]


def with_hard_sigmoid():
    net = Net()
    x = net.conv(net.pad(net.input(1, 32, 32, 3)), 16, kernel=3, stride=2, padding="VALID")
    x = hard_sigmoid_gate(net, net.conv(x, 32, sparsity=0.9), sparsity=0.9)
    return net.build(net.mean(net.conv(x, 64, sparsity=0.9)))


def test_a_cluster_goes_on_through_a_hard_sigmoid():
    before = with_hard_sigmoid()
    after, _ = applied(before, scalar_folding.apply)
    assert (len(sparse_layers(before)), len(sparse_layers(after))) == (0, 4)


@pytest.mark.device
def test_it_does_on_the_board_too(tmp_path):
    assert runs_sparse_and_right(applied(with_hard_sigmoid(), scalar_folding.apply)[0], tmp_path)
