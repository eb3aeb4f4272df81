"""Random int8 networks of one layer, and what LiteRT's reference kernels make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from nets import Net

from edgeprune.models.tflite import graph

RUNS = 2
"""Inputs a layer."""


@dataclass(frozen=True)
class Layer:
    """A network and inputs for it.

    Attributes:
        text: How it was drawn, for a failing test.
        tflite: Its file.
        inputs: int8, shape ``(RUNS, ...)``.
    """

    text: str
    tflite: bytes
    inputs: np.ndarray

    def outputs(self):
        """What LiteRT's reference kernels compute; int8, flat."""
        kind = OpResolverType.BUILTIN_REF
        interpreter = Interpreter(
            model_content=self.tflite, experimental_op_resolver_type=kind, num_threads=1
        )
        interpreter.allocate_tensors()
        source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        found = []
        for values in self.inputs:
            interpreter.set_tensor(source["index"], values[None])
            interpreter.invoke()
            found.append(interpreter.get_tensor(target["index"]).ravel().copy())
        return np.concatenate(found)


class Int8Net(Net):
    """A net of int8 tensors, each with a scale and a zero point."""

    def quantized(self, shape, scale, zero_point, data=None, axis=0):
        index = self.tensor(shape, "int8", data, scale, axis)
        quantization = self.graph.tensors[index].quantization
        quantization.zeroPoint = np.full(quantization.scale.size, zero_point, np.int64)
        return index

    def finished(self, output):
        self.graph.outputs = np.atleast_1d(np.array(output, np.int32))
        self.graph.inputs = np.array(self.graph.inputs, np.int32)
        return bytes(graph.write(self.model))


def _pick(rng, *choices):
    return choices[int(rng.integers(len(choices)))]


def _zero_point(rng):
    return int(_pick(rng, -128, 127, 0, rng.integers(-128, 128)))


def weights_of(rng, shape, zeros, block=1):
    """int8 weights of which the share ``zeros`` is 0, in blocks along the last axes."""
    values = rng.integers(-128 if rng.random() < 0.1 else -127, 128, shape).astype(np.int8)
    rows = values.reshape(shape[0], -1)
    kept = rng.random((rows.shape[0], -(-rows.shape[1] // block))) >= zeros
    rows *= np.repeat(kept, block, axis=1)[:, : rows.shape[1]]
    return values


def _window(rng, max_kernel=5):
    """Kernel, stride, dilation, SAME, and the input's height and width."""
    kernel = (10, 4) if rng.random() < 0.05 else tuple(rng.integers(1, max_kernel + 1, 2))
    if rng.random() < 0.3:
        kernel = _pick(rng, (1, 1), (3, 3))
    stride = tuple(rng.integers(1, 4, 2)) if rng.random() < 0.5 else (1, 1)
    dilation = tuple(rng.integers(1, 4, 2)) if rng.random() < 0.2 and stride == (1, 1) else (1, 1)
    same = bool(rng.random() < 0.6)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    least = (1, 1) if same else spans
    size = tuple(int(rng.integers(a, a + 9)) for a in least)
    if rng.random() < 0.1:
        size = tuple(int(a) for a in least)
    return tuple(map(int, kernel)), tuple(map(int, stride)), tuple(map(int, dilation)), same, size


def _out(size, kernel, stride, dilation, same):
    if same:
        return tuple(-(-a // s) for a, s in zip(size, stride, strict=True))
    return tuple(
        (a - (k - 1) * d - 1) // s + 1
        for a, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    )


def _multipliers(rng, channels, terms):
    """Real factors from sums to outputs: such that outputs fill int8, or anything."""
    usual = 128 / (64 * 64 * np.sqrt(terms)) * np.exp2(rng.uniform(-2, 2, channels))
    kind = rng.random()
    if kind < 0.1:
        return np.exp2(rng.uniform(-33, 3, channels))
    if kind < 0.15:
        return np.exp2(rng.integers(-12, 1, channels).astype(np.float64))
    return np.full(channels, usual[0]) if kind < 0.3 else usual


def random_layer(seed, op, zeros=0.0, block=1, usual=False, large=False):
    """Draws a layer.

    Args:
        seed: Which one.
        op: ``CONV_2D``, ``DEPTHWISE_CONV_2D`` or ``FULLY_CONNECTED``.
        zeros: Share of weights that are 0.
        block: Zeros come in blocks of so many along a row.
        usual: No multipliers, biases and activations that only plain kernels take.
        large: Sizes of real layers.
    """
    rng = np.random.default_rng([seed, len(op)])
    net = Int8Net(seed)
    kernel, stride, dilation, same, size = _window(rng)
    channels = int(_pick(rng, rng.integers(1, 9), rng.integers(1, 33), 4 * rng.integers(1, 9)))
    units = int(_pick(rng, rng.integers(1, 9), rng.integers(1, 33)))
    if large:
        size = tuple(a + int(b) for a, b in zip(size, rng.integers(0, 17, 2), strict=True))
        channels, units = (int(_pick(rng, 3, 8, 16, 24, 32, 64)) for _ in range(2))
    if op == "FULLY_CONNECTED":
        channels = int(rng.integers(1, 600 if large else 300))
        in_shape, out_shape = (1, channels), (1, units)
        shape, terms = (units, channels), channels
    else:
        units = channels if op == "DEPTHWISE_CONV_2D" else units
        in_shape = (1, *size, channels)
        out_shape = (1, *_out(size, kernel, stride, dilation, same), units)
        shape, terms = (units, *kernel, channels), int(np.prod(kernel)) * channels
        if op == "DEPTHWISE_CONV_2D":
            shape, terms = (1, *kernel, channels), int(np.prod(kernel))
    in_scale, out_scale = float(np.exp2(rng.uniform(-8, 2))), float(np.exp2(rng.uniform(-8, 2)))
    factors = _multipliers(rng, units, terms)
    if usual:
        factors = 128 / (64 * 64 * np.sqrt(terms)) * np.exp2(rng.uniform(-2, 0, units))
    scales = factors * out_scale / in_scale
    if op == "FULLY_CONNECTED" and rng.random() < 0.7:
        scales = scales[:1]
    weights = weights_of(rng, shape, zeros, block)
    reach = int(_pick(rng, 1, 1 << 10, 1 << 15, *([] if usual else [1 << 29])))
    bias = rng.integers(-reach, reach + 1, units).astype(np.int32)
    act = 0 if usual else int(_pick(rng, 0, 0, 1, 2, 3))
    x = net.quantized(in_shape, in_scale, _zero_point(rng))
    net.graph.inputs.append(x)
    axis = 3 if op == "DEPTHWISE_CONV_2D" else 0
    filters = net.quantized(shape, scales, 0, weights, axis)
    biases = net.tensor((units,), "int32", bias, scales * in_scale)
    extra = {
        "CONV_2D": {}, "DEPTHWISE_CONV_2D": {"depthMultiplier": 1}, "FULLY_CONNECTED": {}
    }[op]  # fmt: skip
    if op != "FULLY_CONNECTED":
        extra |= {
            "padding": int(not same), "strideH": stride[0], "strideW": stride[1],
            "dilationHFactor": dilation[0], "dilationWFactor": dilation[1],
        }  # fmt: skip
    options = {
        "CONV_2D": "Conv2DOptions",
        "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
        "FULLY_CONNECTED": "FullyConnectedOptions",
    }[op]
    y = net.op(
        op, [x, filters, biases], out_shape, options, version=3 if len(in_shape) == 4 else 4,
        fusedActivationFunction=act, **extra,
    )  # fmt: skip
    target = net.graph.tensors[y]
    net.graph.tensors[y] = net.graph.tensors[net.quantized(out_shape, out_scale, _zero_point(rng))]
    net.graph.tensors.pop()
    net.graph.tensors[y].name = target.name
    text = (
        f"{op} seed {seed}: {in_shape} to {out_shape}, kernel {kernel}, stride {stride}, dilation "
        f"{dilation}, same {same}, activation {act}, bias to {reach}"
    )
    ends = rng.random() < 0.1
    inputs = rng.integers(-128, 128, (RUNS, *in_shape[1:]))
    if ends:
        inputs = np.where(inputs < 0, -128, 127)
    return Layer(text, net.finished(y), inputs.astype(np.int8))
