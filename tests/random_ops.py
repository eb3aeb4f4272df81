"""The operators of :mod:`nets` and many more, for random graphs."""

from __future__ import annotations

import numpy as np
from nets import Net

NO_ACTIVATION, RELU, RELU6, TANH = 0, 1, 3, 4


class Ops(Net):
    """A net with every operator that random graphs use; tensors are their indices."""

    def size(self, x):
        """Height, width and channels."""
        return self.shape(x)[1:]

    def one(self, shape, value):
        """A constant's data: the same number everywhere."""
        return np.full(shape, value, np.float32)

    def filters(self, shape, sparsity, storage):
        return self.stored(self.weights(shape, sparsity), storage)

    def biases(self, channels, storage):
        return self.stored((self.rng.normal(size=channels) / 4).astype(np.float32), storage)

    def convolve(
        self,
        x,
        filters,
        *,
        kernel=(1, 1),
        strides=(1, 1),
        same=True,
        dilation=1,
        act=RELU6,
        depthwise=False,
        bias,
    ):
        """CONV_2D or DEPTHWISE_CONV_2D with a filter tensor that exists."""
        n, h, w, c = self.shape(x)
        channels = self.shape(filters)[3 if depthwise else 0]
        spans = [(k - 1) * dilation + 1 for k in kernel]
        if same:
            size = [-(-a // s) for a, s in zip((h, w), strides, strict=True)]
        else:
            size = [(a - k) // s + 1 for a, k, s in zip((h, w), spans, strides, strict=True)]
        extra = {"depthMultiplier": channels // c} if depthwise else {}
        return self.op(
            "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
            [x, filters, bias],
            (n, *size, channels),
            "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions",
            version=2 if depthwise else 1,
            padding=int(not same),
            strideH=strides[0],
            strideW=strides[1],
            dilationHFactor=dilation,
            dilationWFactor=dilation,
            fusedActivationFunction=act,
            **extra,
        )

    def pad4(self, x, top, bottom, left, right, channels=0):
        n, h, w, c = self.shape(x)
        amounts = [[0, 0], [top, bottom], [left, right], [0, channels]]
        shape = (n, h + top + bottom, w + left + right, c + channels)
        return self.op("PAD", [x, self.const(np.array(amounts, np.int32))], shape, "PadOptions")

    def binary(self, name, x, y, act=NO_ACTIVATION):
        shape = np.broadcast_shapes(self.shape(x), self.shape(y))
        options = {"SQUARED_DIFFERENCE": "SquaredDifferenceOptions"}.get(name)
        if name in ("MAXIMUM", "MINIMUM"):
            return self.op(name, [x, y], shape, "MaximumMinimumOptions")
        if options:
            return self.op(name, [x, y], shape, options)
        options = name.capitalize() + "Options"
        return self.op(name, [x, y], shape, options, fusedActivationFunction=act)

    def unary(self, name, x):
        shape = self.shape(x)
        if name == "LEAKY_RELU":
            return self.op(name, [x], shape, "LeakyReluOptions", alpha=0.2)
        if name == "GELU":
            return self.op(name, [x], shape, "GeluOptions", approximate=False)
        return self.op(name, [x], shape)

    def prelu(self, x):
        slopes = self.const(self.rng.random((1, 1, self.shape(x)[3]), np.float32) / 2)
        return self.op("PRELU", [x, slopes], self.shape(x))

    def concat(self, *xs):
        shape = (*self.shape(xs[0])[:3], sum(self.shape(x)[3] for x in xs))
        return self.op("CONCATENATION", list(xs), shape, "ConcatenationOptions", axis=3)

    def pool(self, name, x, kernel, stride, same=False):
        n, h, w, c = self.shape(x)
        kh, kw = kernel
        size = (-(-h // stride), -(-w // stride))
        if not same:
            size = ((h - kh) // stride + 1, (w - kw) // stride + 1)
        return self.op(
            name,
            [x],
            (n, *size, c),
            "Pool2DOptions",
            padding=int(not same),
            strideH=stride,
            strideW=stride,
            filterHeight=kh,
            filterWidth=kw,
        )

    def reduce(self, name, x, axes, keep):
        shape = self.shape(x)
        gone = {axis % len(shape) for axis in axes}
        left = [1 if i in gone else s for i, s in enumerate(shape) if keep or i not in gone]
        axis = self.const(np.array(axes, np.int32))
        return self.op(name, [x, axis], left, "ReducerOptions", keepDims=keep)

    def resize(self, x, height, width, half=False):
        n, _, _, c = self.shape(x)
        size = self.const(np.array([height, width], np.int32))
        return self.op(
            "RESIZE_BILINEAR",
            [x, size],
            (n, height, width, c),
            "ResizeBilinearOptions",
            version=3,
            halfPixelCenters=half,
        )

    def depth_to_space(self, x):
        n, h, w, c = self.shape(x)
        shape = (n, 2 * h, 2 * w, c // 4)
        return self.op("DEPTH_TO_SPACE", [x], shape, "DepthToSpaceOptions", blockSize=2)

    def space_to_depth(self, x):
        n, h, w, c = self.shape(x)
        shape = (n, h // 2, w // 2, c * 4)
        return self.op("SPACE_TO_DEPTH", [x], shape, "SpaceToDepthOptions", blockSize=2)

    def strided_slice(self, x, begin, end, strides):
        """Begins, ends and strides of all four axes."""
        shape = [len(range(b, e, s)) for b, e, s in zip(begin, end, strides, strict=True)]
        parts = [self.const(np.array(v, np.int32)) for v in (begin, end, strides)]
        return self.op("STRIDED_SLICE", [x, *parts], shape, "StridedSliceOptions")

    def slice(self, x, begin, size):
        parts = [self.const(np.array(v, np.int32)) for v in (begin, size)]
        return self.op("SLICE", [x, *parts], size, "SliceOptions")

    def reshape(self, x, *shape):
        to = self.const(np.array(shape, np.int32))
        return self.op("RESHAPE", [x, to], shape, "ReshapeOptions", newShape=list(shape))

    def transpose(self, x, *order):
        shape = [self.shape(x)[i] for i in order]
        order = self.const(np.array(order, np.int32))
        return self.op("TRANSPOSE", [x, order], shape, "TransposeOptions")

    def softmax(self, x):
        return self.op("SOFTMAX", [x], self.shape(x), "SoftmaxOptions", beta=1.0)

    def reverse(self, x, axis):
        axes = self.const(np.array([axis], np.int32))
        return self.op("REVERSE_V2", [x, axes], self.shape(x), "ReverseV2Options")

    def transpose_conv(self, x, channels, storage):
        n, h, w, c = self.shape(x)
        shape = self.const(np.array((n, 2 * h, 2 * w, channels), np.int32))
        filters = self.filters((channels, 2, 2, c), 0.0, storage)
        return self.op(
            "TRANSPOSE_CONV",
            [shape, filters, x],
            (n, 2 * h, 2 * w, channels),
            "TransposeConvOptions",
            padding=0,
            strideH=2,
            strideW=2,
        )

    def split(self, x):
        """Both halves of the channels."""
        n, h, w, c = self.shape(x)
        axis = self.const(np.array(3, np.int32))
        first = self.op("SPLIT", [axis, x], (n, h, w, c // 2), "SplitOptions", numSplits=2)
        second = self.tensor((n, h, w, c // 2))
        self.graph.operators[-1].outputs = np.array([first, second], np.int32)
        return first, second

    def fully_connected(self, x, units, sparsity, storage, *, keep, act=NO_ACTIVATION):
        shape = self.shape(x)
        depth = shape[-1] if keep else int(np.prod(shape[1:]))
        bias = self.biases(units, "float16" if storage == "float16" else "float32")
        return self.op(
            "FULLY_CONNECTED",
            [x, self.filters((units, depth), sparsity, storage), bias],
            (*shape[:-1], units) if keep else (shape[0], units),
            "FullyConnectedOptions",
            keepNumDims=keep,
            fusedActivationFunction=act,
        )
