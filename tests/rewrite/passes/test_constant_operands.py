import numpy as np
import pytest
from full_range import also, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import ACTIVATIONS, Net
from small_passes import applied, find, operators, runs_sparse_and_right, sparse_layers

from edgeprune.models.tflite import graph
from edgeprune.rewrite.passes import constant_operands

CHANNELS = 8
SHAPES = [(), (1,), (CHANNELS,), (1, CHANNELS), (1, 1, 1, 1), (1, 1, 1, CHANNELS)]


def combined(net, x, op, shape, *, first=False, act=None, values=None):
    if values is None:
        values = net.rng.uniform(0.5, 2, shape) * net.rng.choice([-1, 1], shape)
    constant = net.const(np.asarray(values, np.float32).reshape(shape))
    inputs = [constant, x] if first else [x, constant]
    options = f"{op.title()}Options"
    return net.op(op, inputs, net.shape(x), options, fusedActivationFunction=ACTIVATIONS[act])


def constant_shape(tflite, op):
    model = graph.read(tflite)
    tensors = model.subgraphs[0].tensors
    return graph.shape_of(tensors[find(model, op).inputs[0]])


@settings(deadline=None, max_examples=examples(15, 60))
@given(
    op=st.sampled_from(["ADD", "MUL", "SUB", "DIV"]),
    shape=st.sampled_from(SHAPES),
    first=st.booleans(),
    act=st.sampled_from([None, "RELU", "RELU6"]),
    seed=st.integers(0, 9),
)
def test_constants_come_first_and_have_four_dimensions(op, shape, first, act, seed):
    first = first and op in ("ADD", "MUL")
    net = Net(seed)
    x = combined(net, net.input(1, 5, 4, CHANNELS), op, shape, first=first, act=act)
    after, notes = applied(net.build(net.conv(x, 4)), constant_operands.apply)
    wanted = {"SUB": "ADD", "DIV": "MUL"}.get(op, op)
    assert operators(after) == [wanted, "CONV_2D"]
    found = constant_shape(after, wanted)
    assert len(found) == 4 and found[:3] == (1, 1, 1)
    assert len(notes) == int(not first or len(shape) != 4)
    assert all(note.done for note in notes)


def test_a_division_by_powers_of_two_is_exact_and_another_says_that_it_rounds():
    for values, rounds in ((4.0, False), (-0.5, False), (3.0, True)):
        net = Net()
        x = combined(net, net.input(1, 4, 4, 3), "DIV", (), values=values)
        _, notes = applied(net.build(x), constant_operands.apply)
        assert ("rounded" in notes[0].detail) is rounds


@pytest.mark.parametrize("op", ["SUB", "DIV"])
def test_a_constant_minus_or_over_a_map_stays_and_says_why(op):
    net = Net()
    x = net.conv(net.input(1, 4, 4, 3), CHANNELS)
    x = combined(net, x, op, (CHANNELS,), first=True)
    tflite = net.build(x)
    model = graph.read(tflite)
    notes = constant_operands.apply(model)
    assert operators(graph.write(model)) == ["CONV_2D", op]
    assert [note.done for note in notes] == [False]


@pytest.mark.parametrize("values", [0.0, 1e-45, 3e38, np.inf])
def test_divisions_whose_reciprocal_is_no_normal_number_stay(values):
    net = Net()
    x = combined(net, net.input(1, 4, 4, 3), "DIV", (), values=values)
    model = graph.read(net.build(x))
    assert [note.done for note in constant_operands.apply(model)] == [False]
    assert operators(graph.write(model)) == ["DIV"]


@pytest.mark.parametrize("shape", [(4, 1), (1, 4, 4, 1), (1, 4, 4, CHANNELS), (1, 4, 1, 1)])
def test_constants_that_differ_from_pixel_to_pixel_stay(shape):
    net = Net()
    x = combined(net, net.input(1, 4, 4, CHANNELS), "MUL", shape)
    after, notes = applied(net.build(x), constant_operands.apply)
    assert [note.done for note in notes] == [False]
    assert constant_shape(after, "MUL") == (1, 4, 4, CHANNELS)  # the map is first still


def test_vectors_and_products_of_maps_are_left_alone():
    net = Net()
    x = net.input(1, 4, 4, CHANNELS)
    x = net.op("MUL", [x, x], net.shape(x), "MulOptions")
    x = combined(net, net.mean(x), "ADD", (CHANNELS,))
    after, notes = applied(net.build(x), constant_operands.apply)
    assert operators(after) == ["MUL", "MEAN", "ADD"] and not notes


def test_operators_that_share_a_constant_keep_their_values():
    net = Net()
    x, constant = net.input(1, 4, 4, CHANNELS), net.const(np.float32(3))
    for op in ("SUB", "MUL", "SUB", "DIV"):
        x = net.op(op, [x, constant], net.shape(x), f"{op.title()}Options")
    after, notes = applied(net.build(x), constant_operands.apply)
    assert operators(after) == ["ADD", "MUL", "ADD", "MUL"] and len(notes) == 4


def with_batch_norm(shape):
    """A cluster with a scale and a shift that could not be folded, as in ResNetV2."""
    net = Net()
    x = net.conv(net.pad(net.input(1, 32, 32, 3)), CHANNELS, 3, stride=2, padding="VALID")
    x = net.conv(x, CHANNELS, sparsity=0.9)
    x = combined(net, combined(net, x, "MUL", shape), "SUB", shape, act="RELU")
    return net.build(net.mean(net.conv(x, 64, sparsity=0.9)))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cluster_goes_on_through_constants_that_came_second(shape):
    before = with_batch_norm(shape)
    after, _ = applied(before, constant_operands.apply)
    assert (len(sparse_layers(before)), len(sparse_layers(after))) == (0, 2)


@pytest.mark.device
@pytest.mark.parametrize("shape", [also(()), (CHANNELS,)])
def test_it_does_on_the_board_too(shape, tmp_path):
    assert runs_sparse_and_right(
        applied(with_batch_norm(shape), constant_operands.apply)[0], tmp_path
    )
