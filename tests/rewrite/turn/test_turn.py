import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from same_outputs import ARM, Built, gap, names_of

from edgeprune.models.tflite import graph
from edgeprune.prediction import explain
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite import turn


def turned(tflite, axes=None):
    model = graph.read(tflite)
    notes = turn.apply(model, turn.best_axes(model) if axes is None else axes)
    return graph.write(model), notes


def stock(height=16, width=16, kernel=3, channels=3):
    """A small MobileNet as Keras makes it: SAME everywhere."""
    net = Net()
    x = net.conv(net.input(1, height, width, channels), 8, kernel=3, stride=2)
    x = net.conv(x, 16, sparsity=0.9)
    x = net.depthwise(x, kernel=kernel, stride=2)
    x = net.conv(x, 16, sparsity=0.9)
    return net.build(net.mean(x))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(16, 16), (16, 20), (15, 15), (18, 13), (20, 24)])
def test_a_stock_net_runs_sparse_after_the_turn_and_computes_the_same(size, kernel):
    before = stock(*size, kernel=kernel)
    assert not explain(before, ARM, assume_hint=True).sparse
    after, notes = turned(before)
    assert len(explain(after, ARM, assume_hint=True).sparse) == 2
    assert [note.done for note in notes] == [True] * len(notes)
    assert gap(before, after) < 1e-6


def test_only_the_axis_that_needs_it_is_reversed():
    assert turn.best_axes(graph.read(stock(16, 15))) == (1, 2)  # 8 rows, 8 columns behind the stem
    assert turn.best_axes(graph.read(stock(17, 17))) == ()
    assert turn.best_axes(graph.read(stock(20, 17))) == (1,)
    assert turn.best_axes(graph.read(stock(17, 20))) == (2,)


def test_explicit_paddings_of_either_side_are_turned_or_grown():
    for low, high, axes in ((0, 1, (1, 2)), (1, 0, ()), (1, 1, ())):
        net = Net()
        x = net.conv(
            net.pad(net.input(1, 16, 16, 3), low, high), 8, kernel=3, stride=2, padding="VALID"
        )
        x = net.conv(x, 16, sparsity=0.9)
        before = net.build(net.mean(x))
        assert turn.best_axes(graph.read(before)) == axes
        after, _ = turned(before)
        assert len(explain(after, ARM, assume_hint=True).sparse) == 1
        assert gap(before, after) < 1e-6


def test_a_dense_layer_behind_a_flattened_map_gets_its_weights_permuted():
    net = Net()
    x = net.conv(net.input(1, 16, 12, 3), 8, kernel=3, stride=2)
    x = net.max_pool(net.conv(x, 8, sparsity=0.9))
    size = int(np.prod(net.shape(x)))
    shape = net.const(np.array([1, size], np.int32))
    x = net.op("RESHAPE", [x, shape], (1, size), "ReshapeOptions")
    before = net.build(net.dense(x, 5))
    after, notes = turned(before)
    assert names_of(after).count("REVERSE_V2") == 1
    assert all(note.done for note in notes)
    assert gap(before, after) < 1e-6


def test_a_map_that_leaves_the_graph_is_turned_back():
    net = Net()
    x = net.conv(net.input(1, 16, 16, 3), 8, kernel=3, stride=2)
    before = net.build(net.conv(x, 4), net.mean(x))
    after, _ = turned(before)
    assert names_of(after).count("REVERSE_V2") == 2
    assert gap(before, after) < 1e-6


def test_an_operator_that_cannot_be_turned_gets_its_map_turned_back_and_is_named():
    net = Net()
    x = net.conv(net.input(1, 16, 16, 3), 8, kernel=3, stride=2)
    shape = net.const(np.array([1, 64, 8], np.int32))
    y = net.op("RESHAPE", [x, shape], (1, 64, 8), "ReshapeOptions")
    before = net.build(net.op("SOFTMAX", [y], (1, 64, 8), "SoftmaxOptions", beta=1.0))
    after, notes = turned(before)
    assert [note.done for note in notes] == [True, False]
    assert "RESHAPE: it flattens a map" in notes[1].detail
    assert gap(before, after) < 1e-6


def test_a_net_without_anything_to_win_is_not_touched():
    net = Net()
    x = net.conv(net.input(1, 16, 16, 3), 8, kernel=3)
    before = net.build(net.mean(net.conv(x, 8)))
    after, notes = turned(before, (1, 2))
    assert notes == []
    assert names_of(after) == names_of(before)


def test_a_constant_that_spans_the_map_is_reversed():
    net = Net()
    x = net.conv(net.input(1, 16, 16, 3), 8, kernel=3, stride=2)
    x = net.add(x, net.const(net.weights((1, 8, 8, 8))))
    before = net.build(net.mean(net.conv(x, 8, sparsity=0.9)))
    after, _ = turned(before)
    assert gap(before, after) < 1e-6


@st.composite
def nets(draw):
    """Nets of what the turn meets: strides, paddings, residuals, excitation, pools, resizing."""
    net = Net(draw(st.integers(0, 99)))
    inputs = draw(st.integers(1, 2))
    size = (draw(st.integers(9, 18)), draw(st.integers(9, 18)))
    maps = [net.conv(net.input(1, *size, 3), 4, kernel=3, stride=2) for _ in range(inputs)]
    x = maps[0] if inputs == 1 else net.add(*maps)
    for _ in range(draw(st.integers(1, 5))):
        x = draw(st.sampled_from(STEPS))(net, x, draw)
    outputs = [x] if draw(st.booleans()) else [net.mean(x)]
    return Built(net.build(*outputs))


def _strided(net, x, draw):
    kernel = draw(st.sampled_from([1, 2, 3, 5]))
    if draw(st.booleans()):
        return net.depthwise(x, kernel=kernel, stride=draw(st.integers(1, 2)))
    return net.conv(x, 4, kernel=kernel, stride=draw(st.integers(1, 3)))


def _padded(net, x, draw):
    _, height, width, _ = net.shape(x)
    if min(height, width) < 3:
        return x
    x = net.pad(x, draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    return net.depthwise(x, kernel=3, stride=draw(st.integers(1, 2)), padding="VALID")


def _residual(net, x, draw):
    return net.add(x, net.depthwise(x))


def _excited(net, x, draw):
    gate = net.conv(net.mean(x, keep=True), net.shape(x)[3])
    return net.op("MUL", [x, gate], net.shape(x), "MulOptions")


def _pooled(net, x, draw):
    return net.max_pool(x) if min(net.shape(x)[1:3]) > 1 else x


def _joined(net, x, draw):
    axis = draw(st.integers(1, 3))
    shape = list(net.shape(x))
    shape[axis] *= 2
    y = net.relu(x)
    x = net.op("CONCATENATION", [x, y], tuple(shape), "ConcatenationOptions", axis=axis)
    return net.conv(x, 4)


def _resized(net, x, draw):
    n, height, width, channels = net.shape(x)
    size = net.const(np.array([height + 3, 2 * width], np.int32))
    return net.op(
        "RESIZE_BILINEAR",
        [x, size],
        (n, height + 3, 2 * width, channels),
        "ResizeBilinearOptions",
        version=3,
        halfPixelCenters=draw(st.booleans()),
    )


STEPS = [_strided, _padded, _residual, _excited, _pooled, _joined, _resized]


@given(nets(), st.sampled_from(turn.ORIENTATIONS))
@settings(max_examples=examples(37, 150))
def test_every_turn_of_any_net_computes_the_same(before, axes):
    after, _ = turned(before, axes)
    assert gap(before, after, count=1) < 1e-5


def test_input_channels_are_reversed_too_where_only_convolutions_read_them():
    net = Net()
    x = net.input(1, 16, 16, 3)
    x = net.op("MUL", [x, net.const(np.float32([0.5]))], net.shape(x), "MulOptions")
    x = net.conv(x, 8, kernel=3, stride=2)
    before = net.build(net.mean(net.conv(x, 8, sparsity=0.9)))
    after, _ = turned(before)
    assert reversed_axes(after) == [[1, 2, 3]]
    assert gap(before, after) < 1e-6


@pytest.mark.parametrize("case", ["depthwise", "vector", "output"])
def test_otherwise_channels_stay(case):
    net = Net()
    x = net.input(1, 16, 16, 3)
    if case == "depthwise":
        x = net.depthwise(x)
    else:
        scale = np.float32([0.5] if case == "output" else [0.5, 1, 2])
        x = net.op("MUL", [x, net.const(scale)], net.shape(x), "MulOptions")
    others = [x] if case == "output" else []
    x = net.conv(x, 8, kernel=3, stride=2)
    before = net.build(*others, net.mean(net.conv(x, 8, sparsity=0.9)))
    after, _ = turned(before)
    assert [1, 2, 3] not in reversed_axes(after)
    assert gap(before, after) < 1e-6


def reversed_axes(tflite):
    model = graph.read(tflite)
    reader = Reader(model, model.subgraphs[0])
    return [
        reader.values(int(op.inputs[1])).tolist()
        for op in model.subgraphs[0].operators
        if graph.op_name(model, op) == "REVERSE_V2"
    ]
