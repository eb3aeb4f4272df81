import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from small_passes import applied, find, operators, runs_sparse_and_right, sparse_layers

from edgeprune import graph
from edgeprune.rewrite import head


def flat(net, x):
    count, _, _, channels = net.shape(x)
    shape = np.array([count, channels], np.int32)
    return net.op("RESHAPE", [x, net.const(shape)], (count, channels), "ReshapeOptions")


def softmax(net, x):
    return net.op("SOFTMAX", [x], net.shape(x), "SoftmaxOptions", beta=1.0)


def body(net, sparsity=0.9):
    x = net.conv(net.pad(net.input(1, 32, 32, 3)), 16, kernel=3, stride=2, padding="VALID")
    return net.conv(x, 32, sparsity=sparsity)


def keras_head(net, x, widths, act="HARD_SWISH", sparsity=0.9):
    """Mean, 1x1 convolutions with an operator between them, and the reshape."""
    x = net.mean(x, keep=True)
    for width in widths[:-1]:
        x = net.conv(x, width, act=None, sparsity=sparsity)
        x = net.op(act, [x], net.shape(x))
    return flat(net, net.conv(x, widths[-1], act=None, sparsity=sparsity))


def with_keras_head(widths=(10,), end=softmax, seed=0):
    net = Net(seed)
    x = keras_head(net, body(net), widths)
    return net.build(end(net, x) if end else x)


def with_dense_head(widths=(10,), end=softmax, seed=0):
    net = Net(seed)
    x = net.mean(body(net))
    for width in widths:
        x = net.dense(x, width, sparsity=0.9)
    return net.build(end(net, x) if end else x)


def on_head(change, number=0):
    """``change`` as a pass, on one of the 1x1 convolutions of the head."""
    return lambda model: [change(model, head.head_convolutions(model)[number])]


def on_dense(number=0):
    return lambda model: [head.join_dense(model, find(model, "FULLY_CONNECTED", number))]


WIDTHS = st.lists(st.integers(2, 9), min_size=1, max_size=3).map(tuple)


@settings(deadline=None, max_examples=20)
@given(widths=WIDTHS, is_output=st.booleans(), seed=st.integers(0, 3))
def test_a_head_joins_with_its_reshape_as_a_mean(widths, is_output, seed):
    tflite = with_keras_head(widths, None if is_output else softmax, seed)
    after, notes = applied(tflite, on_head(head.join_head))
    wanted = ["MEAN" if name == "RESHAPE" else name for name in operators(tflite)]
    assert operators(after) == wanted and notes[0].done


@settings(deadline=None, max_examples=30)
@given(widths=WIDTHS, is_output=st.booleans(), seed=st.integers(0, 3), data=st.data())
def test_a_head_splits_off_from_any_of_its_layers_on(widths, is_output, seed, data):
    number = data.draw(st.integers(0, len(widths) - 1))
    tflite = with_keras_head(widths, None if is_output else softmax, seed)
    after, notes = applied(tflite, on_head(head.split_head, number))
    found = operators(after)
    assert "RESHAPE" not in found and notes[0].done
    assert found.count("FULLY_CONNECTED") == len(widths) - number
    assert found.count("MEAN") == (1 if number == 0 else 2)


@settings(deadline=None, max_examples=20)
@given(widths=WIDTHS, is_output=st.booleans(), seed=st.integers(0, 3), data=st.data())
def test_dense_layers_join_one_after_another(widths, is_output, seed, data):
    count = data.draw(st.integers(1, len(widths)))
    tflite = with_dense_head(widths, None if is_output else softmax, seed)
    after, notes = applied(tflite, lambda model: [on_dense()(model)[0] for _ in range(count)])
    found = operators(after)
    assert found.count("FULLY_CONNECTED") == len(widths) - count
    assert found.count("MEAN") == 2 and all(note.done for note in notes)


def test_joining_and_splitting_are_inverse_in_effect():
    tflite = with_dense_head((6, 4))
    joined, _ = applied(tflite, lambda model: [on_dense()(model)[0] for _ in range(2)])
    assert sparse_layers(tflite) != sparse_layers(joined)
    assert set(sparse_layers(tflite)) < set(sparse_layers(joined))


def _on_a_map(net, x):
    return flat(net, net.conv(net.mean(x, keep=True), 3)), net.conv(x, 5)


def test_convolutions_of_maps_and_bare_vectors_are_no_heads():
    net = Net()
    x = net.conv(net.input(1, 4, 4, 3), 5)
    model = graph.read(net.build(*_on_a_map(net, x)))
    convolutions = [find(model, "CONV_2D", i) for i in range(3)]
    heads = head.head_convolutions(model)
    assert heads == [op for op in convolutions if op.inputs[0] != 0 and op in heads]
    assert len(heads) == 1
    for op in convolutions:
        if op not in heads:
            assert not head.join_head(model, op).done
            assert not head.split_head(model, op).done


def test_a_head_with_a_hyperbolic_tangent_is_none_as_dense_layers_cannot_fuse_it():
    model = graph.read(with_keras_head())
    find(model, "CONV_2D", 2).builtinOptions.fusedActivationFunction = 4
    assert not head.head_convolutions(model)


def test_a_head_whose_map_somebody_else_reads_is_none():
    net = Net()
    x = net.conv(net.mean(net.conv(net.input(1, 4, 4, 3), 5), keep=True), 4)
    model = graph.read(net.build(flat(net, x), net.relu(x)))
    assert not head.head_convolutions(model)


@pytest.mark.parametrize("other", ["mean", "vector"])
def test_a_dense_layer_joins_only_right_behind_its_own_mean(other):
    net = Net()
    v = net.mean(net.conv(net.input(1, 4, 4, 3), 5))
    outputs = [net.dense(v, 4)]
    if other == "mean":
        outputs.append(net.dense(v, 3))
    else:
        outputs = [net.dense(outputs[0], 3)]
    model = graph.read(net.build(*outputs))
    before = len(model.subgraphs[0].operators)
    note = head.join_dense(model, find(model, "FULLY_CONNECTED", 1))
    assert not note.done and len(model.subgraphs[0].operators) == before


JOINED = {
    "keras": lambda: applied(with_keras_head((24, 10)), on_head(head.join_head))[0],
    "dense": lambda: applied(with_dense_head((10,)), on_dense())[0],
}


def test_heads_that_stand_in_the_way_run_sparse_once_they_joined():
    assert len(sparse_layers(JOINED["keras"]())) == 3
    assert len(sparse_layers(JOINED["dense"]())) == 2
    split, _ = applied(with_keras_head((24, 10)), on_head(head.split_head))
    assert len(sparse_layers(split)) == 1


@pytest.mark.device
@pytest.mark.parametrize("name", JOINED)
def test_they_do_on_the_board_too(name, tmp_path):
    assert runs_sparse_and_right(JOINED[name](), tmp_path)


@pytest.mark.device
@pytest.mark.parametrize("number", [0, 1])
def test_a_split_head_lets_the_body_run_sparse_on_the_board(number, tmp_path):
    tflite, _ = applied(with_keras_head((24, 10)), on_head(head.split_head, number))
    assert runs_sparse_and_right(tflite, tmp_path)
