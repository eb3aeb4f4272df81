"""Whole int8 networks with random weights, built without TensorFlow: those that firmware must run.

Operators and shapes are those of the networks that Keras and the converter make: MobileNetV1-0.25
as MLPerf Tiny's visual wake words and as Keras's own, MobileNetV2-0.35, MobileNetV3-small-0.75, and
MLPerf Tiny's streaming wakeword.
"""

from __future__ import annotations

import numpy as np
from int8_operators import Operators

RELU, RELU6 = 1, 3
SIDE = 96
_SCALE = 0.05


class Network(Operators):
    """A network whose outputs are spread over int8, whatever its depth."""

    def layer(self, name, x, shape, out, terms, axis, act=0, **values):
        """A layer with random weights of ``shape`` and an output of shape ``out``."""
        channels = out[-1]
        filters = self.chance.integers(-127, 128, shape).astype(np.int8)
        factors = 128 / (64 * 64 * np.sqrt(terms)) * np.exp2(self.chance.uniform(-1, 0.5, channels))
        scales = factors * _SCALE / self.ends(x)[0]
        weights = self.quantized(shape, scales, 0, filters, axis)
        bias = self.chance.integers(-1000, 1000, channels).astype(np.int32)
        biases = self.tensor((channels,), "int32", bias, scales * self.ends(x)[0])
        version = 3 if len(out) == 4 else 4
        zero_point = -128 if act else -20
        return self.make(
            name, [x, weights, biases], out, _SCALE, zero_point, version,
            fusedActivationFunction=act, **values,
        )  # fmt: skip

    def window(self, name, x, channels, kernel, stride, act, same):
        _, height, width, depth = self.shape(x)
        sizes = [(height, kernel[0]), (width, kernel[1])]
        out = [-(-a // stride) if same else (a - k) // stride + 1 for a, k in sizes]
        is_depthwise = name == "DEPTHWISE_CONV_2D"
        shape = (1, *kernel, depth) if is_depthwise else (channels, *kernel, depth)
        return self.layer(
            name, x, shape, (1, *out, channels), kernel[0] * kernel[1] * shape[-1] ** (not
            is_depthwise), 3 if is_depthwise else 0, act, padding=int(not same), strideH=stride,
            strideW=stride, dilationHFactor=1, dilationWFactor=1,
            **({"depthMultiplier": 1} if is_depthwise else {}),
        )  # fmt: skip

    def convolve(self, x, channels, kernel=(1, 1), stride=1, act=RELU, same=True):
        return self.window("CONV_2D", x, channels, kernel, stride, act, same)

    def separate(self, x, kernel=(3, 3), stride=1, act=RELU, same=True):
        channels = self.shape(x)[3]
        return self.window("DEPTHWISE_CONV_2D", x, channels, kernel, stride, act, same)

    def mean_of_map(self, x, keep=True):
        axes = self.const(np.array([1, 2], np.int32))
        out = (1, 1, 1, self.shape(x)[3]) if keep else (1, self.shape(x)[3])
        return self.make("MEAN", [x, axes], out, keepDims=keep)

    def flat(self, x):
        out = (1, int(np.prod(self.shape(x))))
        return self.make("RESHAPE", [x, self.const(np.array(out, np.int32))], out, version=1)

    def dense(self, x, units):
        terms = self.shape(x)[1]
        return self.layer("FULLY_CONNECTED", x, (units, terms), (1, units), terms, 0)

    def softmax(self, x):
        return self.make("SOFTMAX", [x], self.shape(x), 1 / 256, -128, beta=1.0)

    def add(self, x, y):
        return self.make("ADD", [x, y], self.shape(x), _SCALE, 5, fusedActivationFunction=0)

    def single(self, name, x, value, unit, **ends):
        """Arithmetic with one number, ``value`` times ``unit``."""
        number = self.quantized((), unit, 0, np.array(value, np.int8))
        return self.make(name, [x, number], self.shape(x), fusedActivationFunction=0, **ends)

    def finish(self, text, logits, runs=2):
        """The network puts out logits as well, which say more than what SOFTMAX leaves."""
        return self.case(text, [logits, self.softmax(logits)], runs)


def _mobilenet_v1_body(net, x):
    x = net.convolve(x, 8, (3, 3), 2)
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    widths = [16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256]
    for width, stride in zip(widths, strides, strict=True):
        x = net.convolve(net.separate(x, stride=stride), width)
    return x


def visual_wake_words():
    net = Network(1)
    x = _mobilenet_v1_body(net, net.source((1, SIDE, SIDE, 3), 1 / 255, -128))
    x = net.make(
        "AVERAGE_POOL_2D", [x], (1, 1, 1, 256), padding=1, strideH=3, strideW=3, filterHeight=3,
        filterWidth=3, fusedActivationFunction=0,
    )  # fmt: skip
    return net.finish("visual wake words", net.dense(net.flat(x), 2))


def mobilenet_v1():
    net = Network(2)
    x = net.mean_of_map(_mobilenet_v1_body(net, net.source((1, SIDE, SIDE, 3), 1 / 127, -1)))
    x = net.convolve(x, 1000, act=0)
    return net.finish("MobileNetV1-0.25", net.flat(x))


def mobilenet_v2():
    net = Network(3)
    x = net.convolve(net.source((1, SIDE, SIDE, 3), 1 / 127, -1), 16, (3, 3), 2, RELU6)
    blocks = [
        (1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2),
        (6, 112, 1, 1),
    ]  # fmt: skip
    for expansion, channels, count, first_stride in blocks:
        for number in range(count):
            stride, before = (1 if number else first_stride), x
            if expansion > 1:
                x = net.convolve(x, net.shape(x)[3] * expansion, act=RELU6)
            x = net.convolve(net.separate(x, stride=stride, act=RELU6), channels, act=0)
            x = net.add(before, x) if number else x
    x = net.mean_of_map(net.convolve(x, 1280, act=RELU6), keep=False)
    return net.finish("MobileNetV2-0.35", net.dense(x, 1000))


def _swish(net, x):
    return net.make("HARD_SWISH", [x], net.shape(x), 0.04, -118, version=1)


def _squeezed(net, x):
    """Squeeze and excite, its hard sigmoid as the converter leaves it: RELU6(x + 3) / 6."""
    channels = net.shape(x)[3]
    y = net.convolve(net.mean_of_map(x), max(8, channels // 4 // 8 * 8))
    y = net.convolve(y, channels, act=RELU6)
    y = net.single("MUL", y, 127, 1 / 6 / 127, scale=1 / 255, zero_point=-128)
    ends = {"scale": net.ends(x)[0], "zero_point": net.ends(x)[1]}
    return net.make("MUL", [x, y], net.shape(x), fusedActivationFunction=0, **ends)


def mobilenet_v3_small():
    net = Network(4)
    x = net.source((1, SIDE, SIDE, 3), 1.0, -128)
    x = net.single("MUL", x, 127, 1 / 127.5 / 127, scale=2 / 255, zero_point=-128)
    x = net.single("ADD", x, -127, 1 / 127, scale=2 / 255, zero_point=-1)
    x = _swish(net, net.convolve(x, 16, (3, 3), 2, act=0))
    blocks = [
        (16, 16, 3, 2, True, RELU), (72, 24, 3, 2, False, RELU), (88, 24, 3, 1, False, RELU),
        (96, 32, 5, 2, True, None), (192, 32, 5, 1, True, None), (192, 32, 5, 1, True, None),
        (96, 40, 5, 1, True, None), (120, 40, 5, 1, True, None), (240, 72, 5, 2, True, None),
        (432, 72, 5, 1, True, None), (432, 72, 5, 1, True, None),
    ]  # fmt: skip
    for number, (expanded, channels, kernel, stride, has_gate, act) in enumerate(blocks):
        before = x
        if number:
            x = net.convolve(x, expanded, act=act or 0)
            x = x if act else _swish(net, x)
        x = net.separate(x, (kernel, kernel), stride, act=act or 0)
        x = x if act else _swish(net, x)
        x = _squeezed(net, x) if has_gate else x
        x = net.convolve(x, channels, act=0)
        x = net.add(before, x) if net.shape(before) == net.shape(x) else x
    x = net.mean_of_map(_swish(net, net.convolve(x, 432, act=0)))
    x = net.convolve(_swish(net, net.convolve(x, 1024, act=0)), 1000, act=0)
    return net.finish("MobileNetV3-small-0.75", net.flat(x))


def streaming_wakeword():
    net = Network(5)
    x = net.source((1, 30, 1, 40), 0.03, 10)
    for height, channels in ((3, 128), (5, 128), (10, 128), (15, 32)):
        x = net.convolve(net.separate(x, (height, 1), act=0, same=False), channels)
    return net.finish("streaming wakeword", net.dense(net.flat(x), 3))


NETWORKS = {
    "visual_wake_words": visual_wake_words,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_small": mobilenet_v3_small,
    "streaming_wakeword": streaming_wakeword,
}
