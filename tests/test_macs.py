import numpy as np
import pytest
from nets import Net

from edgeprune.macs import size


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
