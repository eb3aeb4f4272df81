import numpy as np
import pytest
from full_range import also, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from small_passes import applied, operators, runs_sparse_and_right, sparse_layers

from edgeprune import verify
from edgeprune.models.tflite import graph
from edgeprune.rewrite.passes import prelu

CHANNELS = 8
PER_CHANNEL = [(CHANNELS,), (1, 1, CHANNELS)]
TWO_SIDED = ["ADD", "MUL", "NEG", "RELU", "RELU"]


def prelued(net, x, slopes):
    return net.op("PRELU", [x, net.const(np.asarray(slopes, np.float32))], net.shape(x))


@settings(deadline=None, max_examples=examples(10, 30))
@given(shape=st.sampled_from(PER_CHANNEL), low=st.sampled_from([-2, 0]), seed=st.integers(0, 9))
def test_slopes_per_channel_become_two_rectifiers(shape, low, seed):
    net = Net(seed)
    x = net.conv(net.input(1, 5, 4, 3), CHANNELS, act=None)
    after, notes = applied(net.build(prelued(net, x, net.rng.uniform(low, 2, shape))), prelu.apply)
    assert sorted(operators(after)[1:]) == TWO_SIDED
    assert [note.done for note in notes] == [True]


@pytest.mark.parametrize("shape", [(1,), (1, 1, 1), *PER_CHANNEL, (5, 4, CHANNELS)])
@pytest.mark.parametrize("slope", [0.0, 0.25, 1.5, -0.5])
def test_one_slope_for_all_becomes_a_leaky_rectifier(shape, slope):
    net = Net()
    x = net.conv(net.input(1, 5, 4, 3), CHANNELS, act=None)
    after, notes = applied(net.build(prelued(net, x, np.full(shape, slope))), prelu.apply)
    assert operators(after) == ["CONV_2D", "LEAKY_RELU"]
    assert [note.done for note in notes] == [True]


def test_the_result_is_exact():
    net = Net()
    slopes = net.rng.uniform(-2, 2, CHANNELS).astype(np.float32)
    tflite = net.build(prelued(net, net.input(1, 9, 9, CHANNELS), slopes))
    model = graph.read(tflite)
    prelu.apply(model)
    samples = [[np.float32(net.rng.normal(size=(1, 9, 9, CHANNELS)))]]
    before, after = (
        verify.reference_outputs(file, samples)[0][0] for file in (tflite, graph.write(model))
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("shape", [(5, 4, CHANNELS), (5, 4, 1), (1, 4, CHANNELS)])
def test_slopes_that_differ_from_pixel_to_pixel_stay_and_say_why(shape):
    net = Net()
    x = net.conv(net.input(1, 5, 4, 3), CHANNELS, act=None)
    after, notes = applied(net.build(prelued(net, x, net.rng.uniform(0, 1, shape))), prelu.apply)
    assert operators(after) == ["CONV_2D", "PRELU"]
    assert [note.done for note in notes] == [False]


def with_prelu(shape):
    net = Net()
    x = net.conv(net.pad(net.input(1, 32, 32, 3)), 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, CHANNELS, act=None, sparsity=0.9)
    x = prelued(net, x, net.rng.uniform(0, 1, shape))
    return net.build(net.mean(net.conv(x, 64, sparsity=0.9)))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, CHANNELS)])
def test_a_cluster_goes_on_through_it(shape):
    before = with_prelu(shape)
    after, _ = applied(before, prelu.apply)
    assert (len(sparse_layers(before)), len(sparse_layers(after))) == (0, 2)


@pytest.mark.device
@pytest.mark.parametrize("shape", [also((1, 1, 1)), (1, 1, CHANNELS)])
def test_it_does_on_the_board_too(shape, tmp_path):
    assert runs_sparse_and_right(applied(with_prelu(shape), prelu.apply)[0], tmp_path)
