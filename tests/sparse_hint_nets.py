"""Graphs so small that each weight tensor takes fewer bytes dense, in int8, than sparse."""

from __future__ import annotations

import numpy as np
from nets import Net


def _tower(net, x):
    x = net.conv(net.pad(x), 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 16, sparsity=0.9, storage="int8")
    return net.mean(net.conv(net.depthwise(x), 20, sparsity=0.9, storage="int8"))


def tiny(size=16):
    """A cluster of two pointwise layers."""
    net = Net()
    return net.build(_tower(net, net.input(1, size, size, 3)))


def two_partitions(size=16):
    """Two such clusters; the second one's input passes an operator that XNNPACK does not take."""
    net = Net()
    x = net.input(1, size, size, 3)
    first = _tower(net, x)
    axis = net.const(np.array([2], np.int32))
    turned = net.op("REVERSE_V2", [x, axis], net.shape(x), "ReverseV2Options")
    return net.build(first, _tower(net, turned))
