import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import ACTIVATIONS, Net
from small_passes import applied, operators, runs_sparse_and_right, sparse_layers

from edgeprune.rewrite.passes import average_pool


def pooled(net, x, window, stride=1, padding="VALID", act=None):
    n, h, w, c = net.shape(x)
    if padding == "VALID":
        size = ((h - window[0]) // stride + 1, (w - window[1]) // stride + 1)
    else:
        size = (-(-h // stride), -(-w // stride))
    return net.op(
        "AVERAGE_POOL_2D",
        [x],
        (n, *size, c),
        "Pool2DOptions",
        padding=int(padding == "VALID"),
        strideH=stride,
        strideW=stride,
        filterHeight=window[0],
        filterWidth=window[1],
        fusedActivationFunction=ACTIVATIONS[act],
    )


@settings(deadline=None, max_examples=examples(10, 40))
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    larger=st.integers(0, 3),
    act=st.sampled_from([None, "RELU", "RELU6"]),
    data=st.data(),
)
def test_a_pooling_whose_window_covers_the_map_becomes_a_mean(size, larger, act, data):
    net = Net()
    x = net.conv(net.input(1, *size, 4), 8, act=None)
    same = data.draw(st.booleans())
    if same:
        window = (size[0] + larger, size[1] + larger)
        x = pooled(net, x, window, stride=max(size), padding="SAME", act=act)
    else:
        x = pooled(net, x, size, stride=data.draw(st.integers(1, 8)), act=act)
    after, notes = applied(net.build(x), average_pool.apply)
    assert operators(after) == ["CONV_2D", "MEAN"] + [act] * (act is not None)
    assert [note.done for note in notes] == [True]


@pytest.mark.parametrize(
    "window, stride, padding",
    [((2, 2), 2, "VALID"), ((3, 3), 1, "SAME"), ((4, 3), 8, "VALID"), ((3, 3), 4, "SAME")],
)
def test_a_pooling_of_less_than_the_map_stays_and_says_why(window, stride, padding):
    net = Net()
    x = pooled(net, net.conv(net.input(1, 4, 4, 3), 8), window, stride, padding)
    after, notes = applied(net.build(x), average_pool.apply)
    assert operators(after) == ["CONV_2D", "AVERAGE_POOL_2D"]
    assert [note.done for note in notes] == [False]
    assert "not the whole map" in notes[0].detail


def with_pooled_head():
    net = Net()
    x = net.conv(net.pad(net.input(1, 32, 32, 3)), 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(net.depthwise(net.conv(x, 64, sparsity=0.9)), 64, sparsity=0.9)
    return net.build(pooled(net, x, (16, 16)))


def test_a_cluster_ends_in_the_mean_but_not_in_the_pooling():
    before = with_pooled_head()
    after, _ = applied(before, average_pool.apply)
    assert (len(sparse_layers(before)), len(sparse_layers(after))) == (0, 2)


@pytest.mark.device
def test_it_does_on_the_board_too(tmp_path):
    assert runs_sparse_and_right(applied(with_pooled_head(), average_pool.apply)[0], tmp_path)
