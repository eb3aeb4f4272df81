"""Random int8 networks of one operator other than a convolution, and what LiteRT makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from int8_layers import Int8Net

OPTIONS = {
    "ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "MEAN": "ReducerOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions", "PAD": "PadOptions",
    "PADV2": "PadV2Options", "CONCATENATION": "ConcatenationOptions", "SLICE": "SliceOptions",
    "TRANSPOSE": "TransposeOptions", "STRIDED_SLICE": "StridedSliceOptions",
    "RESHAPE": "ReshapeOptions", "SQUEEZE": "SqueezeOptions", "EXPAND_DIMS": "ExpandDimsOptions",
    "SOFTMAX": "SoftmaxOptions", "LEAKY_RELU": "LeakyReluOptions", "QUANTIZE": "QuantizeOptions",
    "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions", "HARD_SWISH": "HardSwishOptions",
    "GELU": "GeluOptions", "EXP": "ExpOptions", "ABS": "AbsOptions",
}  # fmt: skip
ONE_VERSION = ("HARD_SWISH", "RELU_N1_TO_1", "RELU_0_TO_1", "GELU")
FULL = [-128, -127, -1, 0, 1, 127]
RUNS = 3
"""Inputs a network."""


@dataclass(frozen=True)
class Case:
    """A network and inputs for it.

    Attributes:
        text: How it was drawn, for a failing test.
        tflite: Its file.
        runs: For each run its inputs, int8, one behind the other.
    """

    text: str
    tflite: bytes
    runs: list[bytes]

    def outputs(self):
        """What LiteRT's reference kernels compute: all outputs of all runs, int8, flat."""
        return reference_outputs(self.tflite, self.runs)


def reference_outputs(tflite, runs):
    """What LiteRT's reference kernels compute: all outputs of all runs, int8, flat."""
    kind = OpResolverType.BUILTIN_REF
    interpreter = Interpreter(
        model_content=bytes(tflite), experimental_op_resolver_type=kind, num_threads=1
    )
    interpreter.allocate_tensors()
    found = []
    for data in runs:
        at = 0
        for source in interpreter.get_input_details():
            size = int(np.prod(source["shape"]))
            values = np.frombuffer(data, np.int8, size, at).reshape(source["shape"])
            interpreter.set_tensor(source["index"], values)
            at += size
        interpreter.invoke()
        for target in interpreter.get_output_details():
            found.append(interpreter.get_tensor(target["index"]).ravel().copy())
    return np.concatenate(found)


class Operators(Int8Net):
    """A net whose operators put out int8 with a scale and a zero point."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.chance = np.random.default_rng([seed, 7])

    def pick(self, *choices):
        return choices[int(self.chance.integers(len(choices)))]

    def scale(self):
        return float(np.float32(np.exp2(self.chance.uniform(-8, 2))))

    def zero_point(self):
        return int(self.pick(*FULL, self.chance.integers(-128, 128)))

    def source(self, shape, scale=None, zero_point=None):
        """An input of the network."""
        scale = self.scale() if scale is None else scale
        zero_point = self.zero_point() if zero_point is None else zero_point
        index = self.quantized(shape, scale, zero_point)
        self.graph.inputs.append(index)
        return index

    def stored(self, shape, scale=None, zero_point=None):
        """A constant of the network."""
        values = self.chance.integers(-128, 128, shape).astype(np.int8)
        scale = self.scale() if scale is None else scale
        zero_point = self.zero_point() if zero_point is None else zero_point
        return self.quantized(shape, scale, zero_point, values)

    def ends(self, index):
        """Scale and zero point of a tensor."""
        quantization = self.graph.tensors[index].quantization
        return float(quantization.scale[0]), int(quantization.zeroPoint[0])

    def make(self, name, inputs, shape, scale=None, zero_point=None, version=2, **values):
        """An operator; its output takes the first input's scale and zero point if none is given."""
        output = self.op(name, inputs, shape, OPTIONS.get(name), version, **values)
        scale = self.ends(inputs[0])[0] if scale is None else scale
        zero_point = self.ends(inputs[0])[1] if zero_point is None else zero_point
        made = self.graph.tensors[self.quantized(shape, scale, zero_point)]
        made.name = self.graph.tensors[output].name
        self.graph.tensors[output] = made
        self.graph.tensors.pop()
        return output

    def case(self, text, outputs, runs=RUNS):
        tflite = self.finished(outputs)
        size = sum(int(np.prod(self.shape(i))) for i in self.graph.inputs)
        data = [
            self.chance.integers(-128, 128, size).astype(np.int8).tobytes() for _ in range(runs)
        ]
        return Case(text, tflite, data)


def _unary(net, name):
    x = net.source((2, 128))
    scale, zero_point = net.scale(), net.zero_point()
    values = {"version": 1} if name in ONE_VERSION else {}
    if name == "LOGISTIC":
        scale, zero_point = 1 / 256, -128
    elif name == "TANH":
        scale, zero_point = 1 / 128, 0
    elif name == "LEAKY_RELU":
        values["alpha"] = float(net.pick(0.1, 0.01, 0.3, 1.5, 0.0, net.chance.uniform(0, 1)))
    elif name == "HARD_SWISH":
        scale = max(scale, net.ends(x)[0] / 100)
    y = net.make(name, [x], (2, 128), scale, zero_point, **values)
    case = net.case(f"{name} {net.ends(x)} to {net.ends(y)} {values}", y)
    return Case(case.text, case.tflite, [np.arange(-128, 128).astype(np.int8).tobytes()])


def _shapes(net):
    """Two shapes that fit together, the first mostly of the output."""
    h, w, c = (int(v) for v in net.chance.integers(1, 6, 3))
    whole = (1, h, w, c)
    kind = net.pick("same", "channel", "map", "row", "vector", "flat", "cross", "batch")
    other = {
        "same": whole, "channel": (1, 1, 1, c), "map": (1, h, w, 1), "row": (1, 1, w, c),
        "vector": (c,), "flat": whole, "cross": (1, h, 1, c), "batch": (h, w, c),
    }[kind]  # fmt: skip
    if kind == "flat":
        whole = other = (1, h * w * c)
    if kind == "cross":
        whole = (1, 1, w, c)
    return (whole, other) if net.chance.random() < 0.5 else (other, whole)


def _arithmetic(net, name):
    a, b = _shapes(net)
    shape = np.broadcast_shapes(a, b)
    kind = net.pick("computed", "computed", "constant", "single", "twice")
    act = int(net.pick(0, 0, 1, 2, 3))
    if kind == "single":
        a = shape
        b = net.pick((), (1,), (1, 1, 1, 1)[: len(shape)])
        first, second = net.source(a), net.stored(b)
    elif kind == "constant":
        shape = a = np.broadcast_shapes(a, b)
        first, second = net.source(a), net.stored(b)
    elif kind == "twice":
        shape = a
        first = second = net.source(a)
    else:
        first, second = net.source(a), net.source(b)
    if kind != "twice" and net.chance.random() < 0.5:
        first, second = second, first
    scale = net.scale()
    if name != "MUL":
        scale = max(scale, max(net.ends(first)[0], net.ends(second)[0]) / 1000)
    y = net.make(name, [first, second], shape, scale, net.zero_point(), fusedActivationFunction=act)
    text = f"{name} {kind} {net.shape(first)} {net.shape(second)} act {act} scale {scale}"
    return net.case(text, y)


def _mean(net, name):
    shape = (1, *(int(v) for v in net.chance.integers(1, 9, 3)))
    axes = net.pick((1, 2), (1, 2), (2, 1), (1,), (2,), (3,), (-1,), (1, 2, 3), (2, 3), (0, 1))
    keep = bool(net.chance.random() < 0.5)
    x = net.source(shape)
    gone = {a % 4 for a in axes}
    out = tuple(1 if i in gone else s for i, s in enumerate(shape) if keep or i not in gone)
    same = net.chance.random() < 0.3
    scale, zero_point = net.ends(x) if same else (net.scale(), net.zero_point())
    indices = net.const(np.array(axes, np.int32))
    y = net.make(name, [x, indices], out, scale, zero_point, keepDims=keep)
    return net.case(f"MEAN {shape} over {axes} to {net.ends(y)} from {net.ends(x)}", y)


def _pool(net, name):
    size = [int(v) for v in net.chance.integers(1, 9, 2)]
    kernel = [int(v) for v in net.chance.integers(1, 5, 2)]
    stride = [int(v) for v in net.chance.integers(1, 4, 2)]
    same = (
        bool(net.chance.random() < 0.5) or min(s - k for s, k in zip(size, kernel, strict=True)) < 0
    )
    out = [
        -(-s // t) if same else (s - k) // t + 1
        for s, k, t in zip(size, kernel, stride, strict=True)
    ]
    channels = int(net.chance.integers(1, 7))
    x = net.source((1, *size, channels))
    act = int(net.pick(0, 0, 1, 2, 3))
    y = net.make(
        name, [x], (1, *out, channels), padding=int(not same), strideH=stride[0],
        strideW=stride[1], filterHeight=kernel[0], filterWidth=kernel[1],
        fusedActivationFunction=act,
    )  # fmt: skip
    return net.case(f"{name} {size} {kernel} {stride} same {same} act {act}", y)


def _pad(net, name):
    shape = (1, *(int(v) for v in net.chance.integers(1, 5, 3)))
    amounts = net.chance.integers(0, 3, (4, 2)).astype(np.int32)
    amounts[0] = 0
    x = net.source(shape)
    inputs = [x, net.const(amounts)]
    if name == "PADV2":
        scale, zero_point = net.ends(x)
        inputs.append(net.stored((1,), scale, zero_point))
    out = tuple(int(v) for v in np.array(shape) + amounts.sum(axis=1))
    return net.case(f"{name} {shape} {amounts.tolist()}", net.make(name, inputs, out))


def _concatenation(net, name):
    rank = int(net.chance.integers(2, 5))
    shape = [1, *(int(v) for v in net.chance.integers(1, 5, rank - 1))]
    axis = int(net.chance.integers(0, rank))
    scale, zero_point = net.scale(), net.zero_point()
    inputs = []
    for _ in range(int(net.chance.integers(2, 5))):
        shape[axis] = int(net.chance.integers(1, 4))
        inputs.append(net.source(tuple(shape), scale, zero_point))
    shape[axis] = sum(net.shape(i)[axis] for i in inputs)
    y = net.make(name, inputs, tuple(shape), axis=int(net.pick(axis, axis - rank)))
    return net.case(f"CONCATENATION to {shape} along {axis}", y)


def _transpose(net, name):
    rank = int(net.chance.integers(2, 5))
    shape = tuple(int(v) for v in net.chance.integers(1, 5, rank))
    order = net.chance.permutation(rank).astype(np.int32)
    x = net.source(shape)
    y = net.make(name, [x, net.const(order)], tuple(shape[i] for i in order))
    return net.case(f"TRANSPOSE {shape} {order.tolist()}", y)


def _strided_slice(net, name):
    rank = int(net.chance.integers(1, 5))
    shape = [int(v) for v in net.chance.integers(1, 7, rank)]
    begins, ends, strides, out, masks = [], [], [], [], [0, 0, 0]
    for axis, size in enumerate(shape):
        begin = int(net.chance.integers(0, size))
        end, stride = int(net.chance.integers(begin + 1, size + 1)), int(net.chance.integers(1, 3))
        kept = len(range(begin, end, stride))
        kind = net.pick("plain", "plain", "negative", "begin", "end", "shrink")
        if kind == "negative":
            begin, end = begin - size, end - size or size
        elif kind == "begin":
            masks[0] |= 1 << axis
            kept = len(range(0, end, stride))
        elif kind == "end":
            masks[1] |= 1 << axis
            kept = len(range(begin, size, stride))
        elif kind == "shrink" and axis:
            masks[2] |= 1 << axis
            end, stride, kept = begin + 1, 1, None
        begins, ends, strides = [*begins, begin], [*ends, end], [*strides, stride]
        out += [] if kept is None else [kept]
    x = net.source(tuple(shape))
    bounds = [net.const(np.array(v, np.int32)) for v in (begins, ends, strides)]
    y = net.make(
        name, [x, *bounds], tuple(out), beginMask=masks[0], endMask=masks[1],
        shrinkAxisMask=masks[2], ellipsisMask=0, newAxisMask=0,
    )  # fmt: skip
    return net.case(f"STRIDED_SLICE {shape} {begins} {ends} {strides} {masks}", y)


def _slice(net, name):
    rank = int(net.chance.integers(1, 5))
    shape = [int(v) for v in net.chance.integers(1, 7, rank)]
    begins = [int(net.chance.integers(0, size)) for size in shape]
    out = [int(net.chance.integers(1, s - b + 1)) for s, b in zip(shape, begins, strict=True)]
    sizes = [
        -1 if b + o == s and net.chance.random() < 0.5 else o
        for s, b, o in zip(shape, begins, out, strict=True)
    ]
    x = net.source(tuple(shape))
    bounds = [net.const(np.array(v, np.int32)) for v in (begins, sizes)]
    return net.case(f"SLICE {shape} {begins} {sizes}", net.make(name, [x, *bounds], tuple(out)))


def _shape_only(net, name):
    c = int(net.chance.integers(1, 9))
    x = net.source((1, 1, 2, c))
    if name == "RESHAPE":
        out, values = (1, 2 * c), {"newShape": np.array([1, 2 * c], np.int32)}
        inputs = [x, net.const(np.array(out, np.int32))]
    elif name == "SQUEEZE":
        out, values, inputs = (1, 2, c), {"squeezeDims": np.array([1], np.int32)}, [x]
    else:
        out, values, inputs = (1, 1, 1, 2, c), {}, [x, net.const(np.array([1], np.int32))]
    y = net.make(name, inputs, out, version=1, **values)
    z = net.make("RELU", [y], out, net.scale(), net.zero_point())
    return net.case(f"{name} to {out}", z)


def _softmax(net, name):
    columns = int(net.pick(1, 2, 3, 10, 35, 200))
    shape = net.pick((1, columns), (1, 3, columns))
    x = net.source(shape)
    beta = float(net.pick(1.0, 1.0, 0.5, 2.0))
    y = net.make(name, [x], shape, 1 / 256, -128, beta=beta)
    return net.case(f"SOFTMAX {shape} beta {beta} scale {net.ends(x)}", y)


CASES = {
    **dict.fromkeys(
        ["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC",
         "TANH", "QUANTIZE", "ABS", "EXP", "GELU"], _unary),
    **dict.fromkeys(["ADD", "SUB", "MUL"], _arithmetic),
    **dict.fromkeys(["AVERAGE_POOL_2D", "MAX_POOL_2D"], _pool),
    **dict.fromkeys(["PAD", "PADV2"], _pad),
    **dict.fromkeys(["RESHAPE", "SQUEEZE", "EXPAND_DIMS"], _shape_only),
    "MEAN": _mean,
    "CONCATENATION": _concatenation,
    "TRANSPOSE": _transpose,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
}  # fmt: skip
"""How each operator is drawn, by its name in the schema."""


def one_channel(seed):
    """A DEPTHWISE_CONV_2D with several filters on one channel, as audio networks begin."""
    net = Operators(seed)
    count = int(net.chance.integers(1, 9))
    x = net.source((1, 6, 5, 1), 0.5, net.zero_point())
    values = net.chance.integers(-127, 128, (1, 3, 3, count)).astype(np.int8)
    scales = net.chance.uniform(0.002, 0.02, count)
    weights = net.quantized((1, 3, 3, count), scales, 0, values, 3)
    bias = net.tensor((count,), "int32", np.arange(count, dtype=np.int32), scales * 0.5)
    y = net.make(
        "DEPTHWISE_CONV_2D", [x, weights, bias], (1, 6, 5, count), 0.5, 0, 3, padding=0, strideH=1,
        strideW=1, depthMultiplier=count, dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip
    return net.case(f"{count} filters on one channel", y)


def random_operator(name, seed):
    """Draws a network of one operator."""
    return CASES[name](Operators(seed), name)
