"""The layers that random graphs are made of, each drawn with its sizes and oddities."""

from __future__ import annotations

import numpy as np
from random_ops import NO_ACTIVATION, RELU, RELU6, TANH, Ops

UNARY = (
    "ABS ELU GELU HARD_SWISH LEAKY_RELU LOGISTIC NEG RELU RELU6 RELU_N1_TO_1 SQUARE TANH "
    "FLOOR SIN EXP"
).split()
AXES = ([1, 2], [2, 1], [1], [2], [3], [1, 3], [2, 3], [1, 2, 3], [-3, -2], [0], [0, 1, 2])
LARGEST = 24  # pixels and channels of an inner map's side stay below


class Layers:
    """Draws layers of one graph.

    Sparse kernels need a whole cluster of operators that suit them, so most graphs are made mostly
    of those: ``hostility`` is how often any other may come.
    """

    def __init__(self, random):
        self.random = random
        self.net = Ops(random.randrange(1 << 30))
        self.storage = random.choice(["float32"] * 4 + ["float16", "int8"])
        self.bias = "float16" if self.storage == "float16" else "float32"
        if self.storage == "float16" and random.random() < 0.2:
            self.bias = "float32"
        self.sparsity = random.choice([0.95, 0.9, 0.9, 0.9, 0.8, 0.8, 0.7, 0.6])
        self.hostility = random.choice([0.0, 0.0, 0.0, 0.03, 0.1, 0.3])
        self.values = []

    def maybe(self, share):
        return self.random.random() < share

    def oddly(self, share):
        """As :meth:`maybe`, for what keeps a cluster from running sparse."""
        return self.maybe(2 * share if self.hostility else 0.1 * share)

    def sparsities(self):
        return 0.0 if self.maybe(0.03) else self.sparsity

    def act(self):
        return self.random.choice([NO_ACTIVATION, RELU, RELU6, RELU6])

    def channels(self):
        rare = self.maybe(0.1)
        return self.random.choice([1, 2, 3, 4, 5] if rare else [8, 8, 12, 16, 16, 20, 24])

    def same_size(self, x, wanted):
        """Earlier 4-D values of ``wanted`` axes' sizes equal to those of ``x``."""
        shape = self.net.shape(x)
        return [
            v
            for v in self.values
            if len(self.net.shape(v)) == 4
            and all(self.net.shape(v)[axis] == shape[axis] for axis in wanted)
        ]

    # Convolutions.

    def pointwise(self, x, channels=None):
        net, channels = self.net, channels or self.channels()
        filters = net.filters((channels, 1, 1, net.shape(x)[3]), self.sparsities(), self.storage)
        bias = net.biases(channels, self.bias)
        strides = (2, 2) if self.oddly(0.04) else (1, 1)
        act = TANH if self.oddly(0.02) else self.act()
        if self.oddly(0.03):
            x = net.pad4(x, 1, 1, 1, 1)
        y = net.convolve(x, filters, strides=strides, same=self.maybe(0.5), act=act, bias=bias)
        if self.maybe(0.05) and net.shape(y)[3] == net.shape(x)[3]:
            y = net.convolve(y, filters, same=False, act=act, bias=bias)  # shared weights
        return y

    def depthwise(self, x):
        net, random = self.net, self.random
        h, w, c = net.size(x)
        odd = self.oddly(0.1)
        kernel = random.choice([7, 2, 1] if odd else [3, 3, 3, 5])
        kernels = (kernel, random.choice([1, 3, 5])) if self.oddly(0.05) else (kernel, kernel)
        multiplier = 2 if self.oddly(0.05) else 1
        stride = random.choice([1, 2, 3] if odd else [1, 1, 2])
        dilation = 2 if stride == 1 and self.oddly(0.05) else 1
        filters = net.stored(
            net.weights((1, *kernels, c * multiplier)) * np.float32(np.sqrt(c * multiplier)),
            self.storage,
        )
        same = self.maybe(0.8 if stride == 1 else 0.5 * odd)
        if not same and not self.oddly(0.03):
            x = self.padded(x, kernel)
        h, w, _ = net.size(x)
        if not same and min(h, w) < (kernel - 1) * dilation + 1 + max(kernels[1] - kernel, 0):
            same = True
        return net.convolve(
            x,
            filters,
            kernel=kernels,
            strides=(stride, stride),
            same=same,
            dilation=dilation,
            act=self.act(),
            depthwise=True,
            bias=net.biases(c * multiplier, self.bias),
        )

    def padded(self, x, kernel):
        half = kernel // 2
        if not self.oddly(0.15):
            return self.net.pad4(x, *(half,) * 4)
        amounts = self.random.choice(
            [(0, 1, 0, 1), (1, 0, 1, 0), (half, half, 0, 0), (0, 0, half, half), (1, 2, 1, 2)]
        )
        return self.net.pad4(x, *amounts)

    def dense_convolution(self, x):
        net = self.net
        h, w, c = net.size(x)
        kernel = self.random.choice([3, 3, 3, 5])
        stride = self.random.choice([1, 1, 2])
        groups = 2 if c % 2 == 0 and self.maybe(0.2) else 1
        dilation = 2 if stride == 1 and self.maybe(0.1) else 1
        channels = max(2, self.channels() // 2 * 2)
        filters = net.filters((channels, kernel, kernel, c // groups), 0.5, self.storage)
        same = self.maybe(0.5) or min(h, w) < (kernel - 1) * dilation + 1
        if same is False and self.maybe(0.5):
            x = self.padded(x, kernel)
        return net.convolve(
            x,
            filters,
            kernel=(kernel, kernel),
            strides=(stride, stride),
            same=same,
            dilation=dilation,
            act=self.act(),
            bias=net.biases(channels, self.bias),
        )

    def keep_dense(self, x):
        return self.net.fully_connected(
            x, self.channels(), self.sparsities(), self.storage, keep=True, act=self.act()
        )

    def upsampled(self, x):
        return self.net.transpose_conv(x, self.channels(), self.storage)

    # Elementwise.

    def unary(self, x):
        return self.net.unary(self.random.choice(UNARY), x)

    def swish(self, x):
        gate = self.net.unary("LOGISTIC", x)
        return self.net.binary("MUL", *self.random.sample([x, gate], 2))

    def hard_sigmoid(self, x):
        net = self.net
        three, sixth = (net.const(np.full(self.scalar(), v, np.float32)) for v in (3, 1 / 6))
        y = net.binary("MUL", sixth, net.binary("ADD", three, x, RELU6))
        return net.binary("MUL", x, y) if self.maybe(0.7) else y

    def scalar(self):
        return self.random.choice([(), (1,), (1, 1, 1)]) if self.oddly(0.5) else (1, 1, 1, 1)

    def residual(self, x):
        act = self.act() if self.maybe(0.3) else NO_ACTIVATION
        others = self.same_size(x, (1, 2, 3))
        other = self.random.choice(others if others and self.maybe(0.8) else [x])
        odd = ["SUB", "MAXIMUM", "MINIMUM"] if self.maybe(self.hostility) else []
        name = self.random.choice(["ADD"] * 2 + ["MUL"] + odd)
        return self.net.binary(name, *self.random.sample([x, other], 2), act)

    def with_constant(self, x):
        net, random = self.net, self.random
        h, w, c = net.size(x)
        shape = random.choice([(), (1,), (1, 1, 1, 1), (c,), (1, c), (1, 1, 1, c), (1, h, w, c)])
        if self.maybe(0.1):
            shape = random.choice([(1, h, 1, 1), (1, 1, w, 1), (1, h, 1, c), (1, h, w, 1)])
        constant = net.const(np.asarray(net.rng.normal(size=shape) + 1.5, np.float32))
        name = random.choice(["ADD"] * 3 + ["MUL"] * 3 + ["SUB", "DIV", "MAXIMUM", "MINIMUM"])
        is_first = not self.oddly(0.5) and name != "DIV"
        first, second = (constant, x) if is_first else (x, constant)
        return net.binary(name, first, second, self.act() if self.maybe(0.2) else NO_ACTIVATION)

    def squeeze_and_excite(self, x):
        net = self.net
        pooled = net.reduce("MEAN", x, [1, 2], keep=True)
        if self.maybe(0.2):
            pooled = net.pool("AVERAGE_POOL_2D", x, net.size(x)[:2], 1)
        gate = self.pointwise_gate(pooled, net.shape(x)[3])
        return net.binary("MUL", *self.random.sample([x, gate], 2))

    def pointwise_gate(self, pooled, channels):
        sparsity = self.random.choice([self.sparsity] * 4 + [0.0])
        make = self.net.filters
        depth = self.net.shape(pooled)[3]
        bias = self.net.biases(4, self.bias)
        narrow = make((4, 1, 1, depth), sparsity, self.storage)
        x = self.net.convolve(pooled, narrow, act=RELU, bias=bias)
        wide = make((channels, 1, 1, 4), sparsity, self.storage)
        bias = self.net.biases(channels, self.bias)
        x = self.net.convolve(x, wide, act=NO_ACTIVATION, bias=bias)
        if self.maybe(0.3):
            return self.hard_sigmoid_gate(x)
        return self.net.unary("LOGISTIC", x)

    def hard_sigmoid_gate(self, x):
        net = self.net
        three, sixth = (net.const(np.full(self.scalar(), v, np.float32)) for v in (3, 1 / 6))
        first, second = (three, x) if self.maybe(0.7) else (x, three)
        return net.binary("MUL", sixth, net.binary("ADD", first, second, RELU6))

    def odd_reduction(self, x):
        """Broadcasts a reduction over any axes back into the map."""
        net = self.net
        axes = self.random.choice(AXES)
        name = self.random.choice(["MEAN", "MEAN", "SUM", "REDUCE_MAX"])
        reduced = net.reduce(name, x, axes, keep=True)
        return net.binary(self.random.choice(["ADD", "MUL"]), x, net.unary("TANH", reduced))

    # Everything else.

    def prelu(self, x):
        return self.net.prelu(x)

    def pooled(self, x):
        name = self.random.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"])
        return self.net.pool(name, x, (2, 2), self.random.choice([1, 2]), self.maybe(0.5))

    def concat(self, x):
        return self.net.concat(x, self.random.choice([*self.same_size(x, (1, 2)), x]))

    def resized(self, x):
        h, w, _ = self.net.size(x)
        size = self.random.choice([(2 * h, 2 * w), (h, w), (h + 1, 2 * w), (h // 2 + 1, w)])
        return self.net.resize(x, *size, half=self.maybe(0.5))

    def spread(self, x):
        if self.net.shape(x)[3] % 4:
            x = self.pointwise(x, 8)
        y = self.net.depth_to_space(x)
        return self.net.space_to_depth(y) if self.maybe(0.5) else y

    def gathered(self, x):
        h, w, c = self.net.size(x)
        return self.net.space_to_depth(x) if h % 2 == w % 2 == 0 and c < 8 else x

    def cut(self, x):
        net = self.net
        h, w, c = net.size(x)
        kind = self.random.randrange(4)
        if kind == 0 and c % 2 == 0:
            first, second = net.split(x)
            self.values += [first, second]
            return second if self.maybe(0.5) else net.binary("ADD", first, second)
        if kind == 1:
            return net.slice(x, (0, 0, 0, 0), (1, h, w, max(1, c // 2)))
        if kind == 2 and min(h, w) > 2:
            return net.strided_slice(x, (0, 0, 0, 0), (1, h, w, c), (1, 2, 2, 1))
        return self.padded(x, 3)

    def moved(self, x):
        net = self.net
        h, w, c = net.size(x)
        kind = self.random.randrange(4)
        if kind == 0:
            return net.reverse(x, self.random.choice([1, 2]))
        if kind == 1:
            return net.transpose(x, 0, 2, 1, 3)
        if kind == 2:
            return net.reshape(net.reshape(x, 1, h * w, c), 1, h, w, c)
        return net.softmax(x)
