"""Random int8 networks of many operators with branches: what lives how long differs in each."""

from __future__ import annotations

import numpy as np
from int8_networks import RELU, Network

STEPS = 9


class Graph(Network):
    """A network that grows by one operator after another, each on any tensor made so far."""

    def like(self, x):
        """A tensor of the same shape, which may be the tensor itself."""
        return self.pick(*[t for t in self.maps if self.shape(t) == self.shape(x)])

    def grow(self):
        x = self.pick(*self.maps[-4:])
        kind = self.pick(
            "point", "square", "depth", "relu", "swish", "add", "add", "scaled", "pool", "mean",
            "pad", "join", "turn", "reshape", "sub",
        )  # fmt: skip
        self.maps.append(getattr(self, kind)(x))
        return kind

    def point(self, x):
        return self.convolve(x, int(self.chance.integers(1, 13)), act=int(self.pick(0, RELU)))

    def square(self, x):
        kernel = tuple(int(k) for k in self.chance.integers(1, 4, 2))
        return self.convolve(x, int(self.chance.integers(1, 9)), kernel, int(self.pick(1, 2)))

    def depth(self, x):
        side = int(self.pick(1, 3, 3, 5))
        return self.separate(x, (side, side), int(self.pick(1, 1, 2)))

    def relu(self, x):
        return self.make("RELU", [x], self.shape(x))

    def swish(self, x):
        return self.make("HARD_SWISH", [x], self.shape(x), 0.04, -118, version=1)

    def sub(self, x):
        y = self.like(x)
        return self.make("SUB", [x, y], self.shape(x), 0.06, 3, fusedActivationFunction=0)

    def add(self, x, y=None):
        return super().add(x, self.like(x))

    def scaled(self, x):
        return self.make(
            "MUL", [x, self.mean_of_map(x)], self.shape(x), 0.05, 0, fusedActivationFunction=0
        )

    def pool(self, x):
        _, h, w, c = self.shape(x)
        name = self.pick("MAX_POOL_2D", "AVERAGE_POOL_2D")
        out = (1, -(-h // 2), -(-w // 2), c)
        return self.make(
            name, [x], out, padding=0, strideH=2, strideW=2, filterHeight=3, filterWidth=2,
            fusedActivationFunction=0,
        )  # fmt: skip

    def mean(self, x):
        return self.mean_of_map(x)

    def pad(self, x):
        """A PAD, and often a convolution behind it, which takes it in."""
        amounts = np.array([[0, 0], *self.chance.integers(0, 3, (2, 2)), [0, 0]], np.int32)
        out = tuple(int(v) for v in np.array(self.shape(x)) + amounts.sum(axis=1))
        y = self.make("PAD", [x, self.const(amounts)], out)
        if min(out[1:3]) < 3 or self.chance.random() < 0.3:
            return y
        if self.chance.random() < 0.5:
            return self.separate(y, (3, 3), int(self.pick(1, 2)), same=bool(self.pick(0, 1)))
        return self.convolve(y, 4, (3, 3), int(self.pick(1, 2)), same=bool(self.pick(0, 1)))

    def join(self, x):
        scale, zero_point = self.ends(x)
        same = [t for t in self.maps if self.ends(t) == (scale, zero_point)]
        y = self.pick(*[t for t in same if self.shape(t)[:3] == self.shape(x)[:3]])
        out = (*self.shape(x)[:3], self.shape(x)[3] + self.shape(y)[3])
        return self.make("CONCATENATION", [x, y], out, axis=3)

    def turn(self, x):
        _, h, w, c = self.shape(x)
        order = self.const(np.array([0, 2, 1, 3], np.int32))
        return self.make("TRANSPOSE", [x, order], (1, w, h, c))

    def reshape(self, x):
        _, h, w, c = self.shape(x)
        out = (1, w, h, c)
        return self.make("RESHAPE", [x, self.const(np.array(out, np.int32))], out, version=1)


def random_graph(seed):
    """Draws a network with one to three outputs."""
    net = Graph(seed)
    h, w, c = (int(v) for v in net.chance.integers(1, 9, 3))
    net.maps = [net.source((1, h, w, c), 0.04, int(net.pick(-128, 0, 7)))]
    if net.chance.random() < 0.3:
        net.maps.append(net.source((1, h, w, c), 0.04, 5))
    kinds = [net.grow() for _ in range(STEPS)]
    made = net.maps[len(net.graph.inputs) :]
    count = min(int(net.chance.integers(1, 4)), len(set(made)))
    outputs = [made[-1], *net.chance.permutation(sorted(set(made[:-1])))[: count - 1].tolist()]
    return net.case(f"graph {seed}: {kinds}, outputs {outputs}", outputs, 2)
