import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from small_passes import A72, applied, find, operators, runs_sparse_and_right, sparse_layers

from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import cost_table
from edgeprune.rewrite.passes.dense_head import join_dense, join_where_cheaper


def softmax(net, x):
    return net.op("SOFTMAX", [x], net.shape(x), "SoftmaxOptions", beta=1.0)


def body(net, sparsity=0.9):
    x = net.conv(net.pad(net.input(1, 32, 32, 3)), 16, kernel=3, stride=2, padding="VALID")
    return net.conv(x, 32, sparsity=sparsity)


def with_dense_head(widths=(10,), end=softmax, seed=0):
    net = Net(seed)
    x = net.mean(body(net))
    for width in widths:
        x = net.dense(x, width, sparsity=0.9)
    return net.build(end(net, x) if end else x)


def on_dense(number=0):
    return lambda model: [join_dense(model, find(model, "FULLY_CONNECTED", number))]


WIDTHS = st.lists(st.integers(2, 9), min_size=1, max_size=3).map(tuple)


@settings(deadline=None, max_examples=examples(10, 20))
@given(widths=WIDTHS, is_output=st.booleans(), seed=st.integers(0, 3), data=st.data())
def test_dense_layers_join_one_after_another(widths, is_output, seed, data):
    count = data.draw(st.integers(1, len(widths)))
    tflite = with_dense_head(widths, None if is_output else softmax, seed)
    after, notes = applied(tflite, lambda model: [on_dense()(model)[0] for _ in range(count)])
    found = operators(after)
    assert found.count("FULLY_CONNECTED") == len(widths) - count
    assert found.count("MEAN") == 2 and all(note.done for note in notes)


def test_layers_that_joined_run_sparse_besides_the_others():
    tflite = with_dense_head((6, 4))
    joined, _ = applied(tflite, lambda model: [on_dense()(model)[0] for _ in range(2)])
    assert set(sparse_layers(tflite)) < set(sparse_layers(joined))


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
    note = join_dense(model, find(model, "FULLY_CONNECTED", 1))
    assert not note.done and len(model.subgraphs[0].operators) == before


@pytest.mark.parametrize(("sparsity", "is_joined"), [(0.9, True), (0.0, False)])
def test_only_a_layer_that_is_cheaper_sparse_joins(sparsity, is_joined):
    net = Net()
    x = net.dense(net.mean(net.conv(body(net), 256)), 10, sparsity=sparsity)
    after, notes = applied(net.build(x), lambda model: join_where_cheaper(model, cost_table(A72)))
    assert ("FULLY_CONNECTED" not in operators(after)) == is_joined == bool(notes)


@pytest.mark.device
def test_a_joined_layer_runs_sparse_on_the_board_too(tmp_path):
    after, _ = applied(with_dense_head((10,)), on_dense())
    assert len(sparse_layers(after)) == 2
    assert runs_sparse_and_right(after, tmp_path)
