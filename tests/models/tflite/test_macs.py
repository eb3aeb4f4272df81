import numpy as np
import odd_nets
import pytest
from nets import Net

from edgeprune.models.tflite.macs import size


def test_a_small_network_is_counted_by_hand():
    net = Net()
    x = net.conv(net.input(1, 8, 8, 3), 4, kernel=3, stride=2)  # 4x4 positions
    x = net.depthwise(x)
    x = net.conv(x, 6, sparsity=0.5)
    found = size(net.build(net.dense(net.mean(x), 5)))
    convolutions = 16 * 4 * 27 + 16 * 4 * 9 + 16 * 24
    assert found.macs == convolutions + 30
    assert found.nonzero_macs == pytest.approx(found.macs - 16 * 12, abs=16)
    assert found.parameters == (108 + 4) + (36 + 4) + (24 + 6) + 30
    assert found.nonzero_parameters == 108 + 36 + 12 + 30 + 4 + 4 + 6


def test_a_shared_weight_is_held_once_and_multiplied_twice():
    net = Net()
    x = net.input(1, 4)
    weights = net.const(np.ones((4, 4), np.float32))
    for _ in range(2):
        x = net.op("FULLY_CONNECTED", [x, weights, -1], (1, 4), "FullyConnectedOptions")
    found = size(net.build(x))
    assert (found.parameters, found.macs) == (16, 32)


def test_what_a_loop_multiplies_counts_as_often_as_it_turns():
    once, often = size(odd_nets.loop(1, 8)), size(odd_nets.loop(40, 8))
    assert once.parameters == often.parameters
    assert once.macs > 0 and (often.macs, often.nonzero_macs) == (40 * once.macs, 40 * once.macs)


def test_where_the_data_decide_how_often_nothing_is_counted():
    found = size(odd_nets.loop(counts_on_data=True))
    assert (found.macs, found.nonzero_macs) == (None, None) and found.parameters > 0
