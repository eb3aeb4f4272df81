import pytest
from full_range import also, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from small_passes import applied, operators, runs_sparse_and_right, sparse_layers

from edgeprune.rewrite.passes import stem_channels


def with_stem(channels, size=(32, 32), act="RELU6", seed=0, **rest):
    net = Net(seed)
    x = net.pad(net.input(1, *size, channels))
    x = net.conv(x, 16, kernel=3, stride=2, padding="VALID", act=act, **rest)
    x = net.conv(net.depthwise(net.conv(x, 64, sparsity=0.9)), 64, sparsity=0.9)
    return net.build(net.mean(x))


@settings(deadline=None, max_examples=examples(10, 40))
@given(
    channels=st.integers(1, 12).filter(lambda n: n != 3),
    size=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    act=st.sampled_from([None, "RELU", "RELU6"]),
    seed=st.integers(0, 5),
)
def test_stems_of_other_channels_read_three_each(channels, size, act, seed):
    tflite = with_stem(channels, size, act, seed)
    after, notes = applied(tflite, stem_channels.apply)
    parts = -(-channels // 3)
    found = operators(after)
    assert found.count("CONV_2D") == 2 + (2 if channels < 3 else parts)
    assert found.count("PAD") == parts
    assert found.count("SLICE") == (0 if channels < 3 else parts)
    assert found.count("ADD") == parts - 1
    assert [note.done for note in notes] == [True]


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 7, 12])
def test_a_cluster_begins_there(channels):
    before = with_stem(channels)
    after, _ = applied(before, stem_channels.apply)
    assert (len(sparse_layers(before)), len(sparse_layers(after))) == (0, 2)


def _stride_1(net, x):
    return net.conv(net.conv(net.pad(x), 8, kernel=3, padding="VALID"), 4)


def _same(net, x):
    return net.conv(net.conv(x, 8, kernel=3, stride=2), 4)


def _five_by_five(net, x):
    return net.conv(net.conv(net.pad(x), 8, kernel=5, stride=2, padding="VALID"), 4)


def _pooled(net, x):
    return net.max_pool(net.conv(net.pad(x), 8, kernel=3, stride=2, padding="VALID"))


@pytest.mark.parametrize("stem", [_stride_1, _same, _five_by_five, _pooled])
@pytest.mark.parametrize("channels", [1, 4])
def test_stems_that_cannot_begin_a_cluster_stay(stem, channels):
    net = Net()
    tflite = net.build(stem(net, net.input(1, 16, 16, channels)))
    after, notes = applied(tflite, stem_channels.apply)
    assert operators(after) == operators(tflite) and not notes


@pytest.mark.parametrize("channels", [3, 13])
def test_three_channels_and_more_than_twelve_stay(channels):
    tflite = with_stem(channels)
    after, notes = applied(tflite, stem_channels.apply)
    assert operators(after) == operators(tflite) and not notes


@pytest.mark.device
@pytest.mark.parametrize("channels", [also(1), 2, also(7)])
def test_it_does_on_the_board_too(channels, tmp_path):
    assert runs_sparse_and_right(applied(with_stem(channels), stem_channels.apply)[0], tmp_path)
