"""Small TFLite graphs built straight from the schema's objects: no TensorFlow in the tests."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.models.tflite import graph

TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
}
ACTIVATIONS = {None: 0, "RELU": 1, "RELU6": 3}


class Net:
    """Adds one operator after another; tensors are their indices."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs = [], [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, shape, dtype="float32", data=None, scale=None, axis=0):
        tensor = schema.TensorT()
        tensor.shape = np.array(shape, np.int32)
        tensor.type = TYPES[dtype]
        tensor.name = f"t{len(self.graph.tensors)}".encode()
        tensor.buffer = 0
        if data is not None:
            tensor.buffer = graph.add_buffer(self.model, np.ascontiguousarray(data).tobytes())
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.atleast_1d(np.asarray(scale, np.float32))
            tensor.quantization.zeroPoint = np.zeros(tensor.quantization.scale.size, np.int64)
            tensor.quantization.quantizedDimension = axis
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def const(self, data, **rest):
        data = np.asarray(data)
        return self.tensor(data.shape, data.dtype.name, data, **rest)

    def input(self, *shape):
        index = self.tensor(shape)
        self.graph.inputs.append(index)
        return index

    def shape(self, tensor):
        return graph.shape_of(self.graph.tensors[tensor])

    def op(self, name, inputs, shape, options=None, version=1, **values):
        operator = schema.OperatorT()
        operator.opcodeIndex = graph.opcode_index(self.model, name, version)
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([self.tensor(shape)], np.int32)
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, options + "T")()
            for key, value in values.items():
                setattr(operator.builtinOptions, key, value)
        self.graph.operators.append(operator)
        return int(operator.outputs[0])

    def weights(self, shape, sparsity=0.0):
        """Normal weights, of which exactly round(sparsity * n) are zero."""
        values = (self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        flat = values.reshape(-1)
        flat[self.rng.permutation(flat.size)[: round(sparsity * flat.size)]] = 0
        return values

    def stored(self, values, storage):
        """A filter in fp32, fp16 or int8 storage, the latter two behind a DEQUANTIZE."""
        if storage == "float32":
            return self.const(values)
        if storage == "float16":
            kept = self.const(values.astype(np.float16))
        else:
            scale = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / 127
            scale[scale == 0] = 1
            kept = self.const(np.rint(values / scale).astype(np.int8), scale=scale.reshape(-1))
        return self.op("DEQUANTIZE", [kept], values.shape, "DequantizeOptions", version=3)

    def pad(self, x, low=1, high=1):
        n, h, w, c = self.shape(x)
        amounts = self.const(np.array([[0, 0], [low, high], [low, high], [0, 0]], np.int32))
        return self.op("PAD", [x, amounts], (n, h + low + high, w + low + high, c), "PadOptions")

    def conv(self, x, channels, kernel=1, stride=1, padding="SAME", sparsity=0.0, **rest):
        c = self.shape(x)[3]
        filters = self.weights((channels, kernel, kernel, c), sparsity)
        return self._conv("CONV_2D", x, filters, channels, stride, padding, **rest)

    def depthwise(self, x, kernel=3, stride=1, padding="SAME", **rest):
        c = self.shape(x)[3]
        filters = self.weights((1, kernel, kernel, c)) * np.sqrt(c).astype(np.float32)
        return self._conv("DEPTHWISE_CONV_2D", x, filters, c, stride, padding, **rest)

    def _conv(
        self, name, x, filters, channels, stride, padding, act="RELU6", storage="float32", bias=None
    ):
        n, h, w, _ = self.shape(x)
        k = filters.shape[1]
        if padding == "SAME":
            size = (-(-h // stride), -(-w // stride))
        else:
            size = ((h - k) // stride + 1, (w - k) // stride + 1)
        values = (self.rng.normal(size=channels) / 4).astype(np.float32)
        bias = bias or ("float16" if storage == "float16" else "float32")
        inputs = [x, self.stored(filters, storage), self.stored(values, bias)]
        is_conv = name == "CONV_2D"
        extra = {} if is_conv else {"depthMultiplier": 1}
        return self.op(
            name,
            inputs,
            (n, *size, channels),
            "Conv2DOptions" if is_conv else "DepthwiseConv2DOptions",
            version=1 if is_conv else 2,
            padding=int(padding == "VALID"),
            strideH=stride,
            strideW=stride,
            dilationHFactor=1,
            dilationWFactor=1,
            fusedActivationFunction=ACTIVATIONS[act],
            **extra,
        )

    def dense(self, x, units, sparsity=0.0, storage="float32", keep=False, version=1):
        shape = self.shape(x)
        filters = self.stored(self.weights((units, shape[-1]), sparsity), storage)
        return self.op(
            "FULLY_CONNECTED",
            [x, filters, -1],
            (*shape[:-1], units),
            "FullyConnectedOptions",
            version=version,
            keepNumDims=keep,
        )

    def mean(self, x, keep=False):
        n, _, _, c = self.shape(x)
        axes = self.const(np.array([1, 2], np.int32))
        shape = (n, 1, 1, c) if keep else (n, c)
        return self.op("MEAN", [x, axes], shape, "ReducerOptions", keepDims=keep)

    def max_pool(self, x):
        n, h, w, c = self.shape(x)
        return self.op(
            "MAX_POOL_2D",
            [x],
            (n, h // 2, w // 2, c),
            "Pool2DOptions",
            padding=1,
            strideH=2,
            strideW=2,
            filterHeight=2,
            filterWidth=2,
        )

    def add(self, x, y):
        return self.op("ADD", [x, y], self.shape(x), "AddOptions")

    def relu(self, x):
        return self.op("RELU", [x], self.shape(x))

    def build(self, *outputs):
        self.graph.outputs = np.array(outputs, np.int32)
        self.graph.inputs = np.array(self.graph.inputs, np.int32)
        return graph.write(self.model)


def eligible(sparsity=0.9, storage="float32", size=16, **rest):
    """Stem, two pointwise layers around a strided depthwise one, mean: XNNPACK runs it sparse."""
    net = Net()
    x = net.pad(net.input(1, size, size, 3))
    x = net.conv(x, 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 64, sparsity=sparsity, storage=storage, **rest)
    x = net.depthwise(net.pad(x), stride=2, padding="VALID")
    x = net.conv(x, 64, sparsity=sparsity, storage=storage, **rest)
    return net.build(net.mean(x))


def wrong_on_arm(sparsity=0.9):
    """A cluster that begins but does not end: XNNPACK's NCHW rewrite makes its output wrong."""
    net = Net()
    x = net.pad(net.input(1, 32, 32, 3))
    x = net.conv(x, 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 64, sparsity=sparsity)
    x = net.depthwise(x, stride=2, padding="SAME")
    x = net.conv(x, 64, sparsity=sparsity)
    return net.build(net.mean(x))
