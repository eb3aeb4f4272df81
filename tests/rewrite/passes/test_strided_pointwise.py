import pytest
from full_range import also, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from small_passes import applied, operators, runs_sparse_and_right, sparse_layers

from edgeprune.rewrite.passes import strided_pointwise


def explicitly(model):
    return strided_pointwise.apply(model, explicit=True)


@settings(deadline=None, max_examples=examples(15, 60))
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    padding=st.sampled_from(["SAME", "VALID"]),
    act=st.sampled_from([None, "RELU", "RELU6"]),
    explicit=st.booleans(),
)
def test_it_selects_every_second_pixel_of_odd_and_even_maps(size, padding, act, explicit):
    net = Net()
    x = net.conv(net.input(1, *size, 3), 8)
    tflite = net.build(net.conv(x, 5, stride=2, padding=padding, act=act))
    after, notes = applied(tflite, explicitly if explicit else strided_pointwise.apply)
    pad = ["PAD"] if explicit else []
    assert operators(after) == ["CONV_2D", *pad, "DEPTHWISE_CONV_2D", "CONV_2D"]
    assert [note.done for note in notes] == [True]


def pooled(net, x, window=1, stride=2, name="MAX_POOL_2D", act=0):
    n, h, w, c = net.shape(x)
    return net.op(
        name,
        [x],
        (n, -(-h // stride), -(-w // stride), c),
        "Pool2DOptions",
        padding=0,
        strideH=stride,
        strideW=stride,
        filterHeight=window,
        filterWidth=window,
        fusedActivationFunction=act,
    )


@settings(deadline=None, max_examples=examples(10, 30))
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    name=st.sampled_from(["AVERAGE_POOL_2D", "MAX_POOL_2D"]),
    explicit=st.booleans(),
)
def test_a_strided_pooling_of_single_pixels_becomes_the_selection(size, name, explicit):
    net = Net()
    x = net.conv(net.input(1, *size, 3), 8)
    y = net.conv(x, 8, stride=2)
    tflite = net.build(net.add(pooled(net, x, name=name), y))
    after, notes = applied(tflite, explicitly if explicit else strided_pointwise.apply)
    pad = ["PAD"] if explicit else []
    assert sorted(operators(after)) == sorted(
        ["ADD", "CONV_2D", "CONV_2D", *pad, "DEPTHWISE_CONV_2D"]
    )
    assert len(notes) == 2


@pytest.mark.parametrize("rest", [{"window": 2}, {"stride": 1}, {"stride": 3}, {"act": 1}, {}])
def test_other_poolings_and_those_of_the_graphs_output_stay(rest):
    net = Net()
    x = pooled(net, net.conv(net.input(1, 6, 6, 3), 8, act=None), **rest)
    tflite = net.build(net.relu(x) if rest else x)
    after, notes = applied(tflite, strided_pointwise.apply)
    assert operators(after) == operators(tflite) and not notes


def test_two_convolutions_of_one_map_share_the_selection():
    net = Net()
    x = net.conv(net.input(1, 6, 7, 3), 8)
    tflite = net.build(net.conv(x, 5, stride=2), net.conv(x, 4, stride=2), net.conv(x, 3))
    after, notes = applied(tflite, strided_pointwise.apply)
    assert operators(after).count("DEPTHWISE_CONV_2D") == 1 and len(notes) == 2


@pytest.mark.parametrize("kernel, stride", [(1, 1), (1, 3), (3, 2)])
def test_other_convolutions_stay(kernel, stride):
    net = Net()
    x = net.conv(net.input(1, 6, 6, 3), 8)
    tflite = net.build(net.conv(x, 5, kernel=kernel, stride=stride))
    after, notes = applied(tflite, strided_pointwise.apply)
    assert operators(after) == operators(tflite) and not notes


def with_shortcut(size=32):
    """A residual block whose shortcut is a 1x1 convolution of stride 2."""
    net = Net()
    x = net.pad(net.input(1, size, size, 3))
    x = net.conv(x, 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 32, sparsity=0.9)
    y = net.depthwise(net.pad(x), stride=2, padding="VALID")
    x = net.add(net.conv(x, 64, stride=2, sparsity=0.9), net.conv(y, 64, sparsity=0.9))
    return net.build(net.mean(net.conv(x, 64, sparsity=0.9)))


def with_pooled_shortcut(size=32):
    """The same where the shortcut is a pooling, as in ResNetV2."""
    net = Net()
    x = net.pad(net.input(1, size, size, 3))
    x = net.conv(x, 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 64, sparsity=0.9)
    y = net.depthwise(net.pad(x), stride=2, padding="VALID")
    x = net.add(pooled(net, x), net.conv(y, 64, sparsity=0.9))
    return net.build(net.mean(net.conv(x, 64, sparsity=0.9)))


@pytest.mark.parametrize("build, layers", [(with_shortcut, 4), (with_pooled_shortcut, 3)])
@pytest.mark.parametrize("size", [32, 34, 29])
def test_a_cluster_goes_on_through_a_strided_shortcut(build, layers, size):
    before = build(size)
    after, _ = applied(before, explicitly)
    assert (len(sparse_layers(before)), len(sparse_layers(after))) == (0, layers)


@pytest.mark.device
@pytest.mark.parametrize(
    ("build", "size"),
    [
        (with_shortcut, 32),
        (with_pooled_shortcut, 34),
        also(with_shortcut, 34),
        also(with_pooled_shortcut, 32),
    ],
)
def test_it_does_on_the_board_too(build, size, tmp_path):
    assert runs_sparse_and_right(applied(build(size), explicitly)[0], tmp_path)
