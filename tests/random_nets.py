"""Random graphs out of the operators that real nets use, tiny, with sparse weights.

A graph is decided by a ``random.Random`` alone: a seeded one makes the same graph again, and
hypothesis' own one (:func:`graphs`) shrinks it.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from random_layers import AXES, LARGEST, Layers
from random_ops import Ops

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.sparsify.encode import encode, smallest_encoding

FRIENDLY = (
    ["pointwise"] * 30
    + ["depthwise"] * 18
    + ["residual", "unary"] * 9
    + ["squeeze_and_excite", "swish"] * 5
    + ["hard_sigmoid", "keep_dense", "resized"] * 3
    + ["with_constant", "odd_reduction", "concat"]
)
HOSTILE = (
    "dense_convolution prelu pooled gathered cut moved upsampled spread concat with_constant "
    "depthwise residual odd_reduction"
).split()


class Builder(Layers):
    """Draws one graph."""

    def block(self, x):
        names = FRIENDLY if self.maybe(1 - self.hostility) else HOSTILE
        y = getattr(self, self.random.choice(names))(x)
        h, w, c = self.net.size(y)
        if max(h, w) > LARGEST:
            y = self.net.pool("MAX_POOL_2D", y, (2, 2), 2)
        return y if c <= LARGEST else self.pointwise(y, 8)

    # Stems and heads.

    def stem(self, x):
        net, random = self.net, self.random
        kind = "eligible"
        if self.oddly(0.2):
            kind = random.choice(["SAME", "(0,1)", "stride 1", "7x7", "none"])
        channels = random.choice([4, 8, 16, 16, 20])
        kernel, stride = (7 if kind == "7x7" else 3), (1 if kind == "stride 1" else 2)
        if kind == "none":
            return x
        same = kind in ("SAME", "stride 1")
        if not same:
            x = net.pad4(x, *((0, 1, 0, 1) if kind == "(0,1)" else (kernel // 2,) * 4))
        filters = net.filters((channels, kernel, kernel, net.shape(x)[3]), 0.0, self.storage)
        return net.convolve(
            x,
            filters,
            kernel=(kernel, kernel),
            strides=(stride, stride),
            same=same,
            act=self.act(),
            bias=net.biases(channels, self.bias),
        )

    def head(self, x):
        net, random = self.net, self.random
        h, w, _ = net.size(x)
        kind = random.choice(["mean"] * 5 + ["mobilenet", "v3", "D2S"])
        if self.oddly(0.2):
            kind = random.choice(["map", "pool", "flat", "odd"])
        if kind == "map":
            return x
        if kind == "D2S":
            return self.spread(x)
        if kind == "pool":
            return net.pool("AVERAGE_POOL_2D", x, (h, w), 1)
        if kind == "flat":
            return self.classifier(x)
        if kind == "odd":
            name = random.choice(["MEAN", "SUM", "REDUCE_MAX"])
            return net.reduce(name, x, random.choice(AXES), keep=self.maybe(0.5))
        name = random.choice(["MEAN"] * 4 + ["SUM"])
        if kind == "mean":
            return self.classifier(net.reduce(name, x, [1, 2], keep=self.maybe(0.5)))
        x = self.pointwise(net.reduce(name, x, [1, 2], keep=True))
        if kind == "v3":
            x = self.pointwise(net.unary("HARD_SWISH", x))
        if self.maybe(0.3):
            return net.reduce("MEAN", x, [1, 2], keep=self.maybe(0.5))
        return net.softmax(net.reshape(x, 1, net.shape(x)[1] * net.shape(x)[2] * net.shape(x)[3]))

    def classifier(self, x):
        if self.maybe(0.3):
            return x
        if len(self.net.shape(x)) == 4 and self.maybe(0.3):
            x = self.net.reshape(x, 1, int(np.prod(self.net.shape(x))))
        return self.net.fully_connected(x, 5, self.sparsities(), self.storage, keep=False)

    def build(self):
        """Bytes of the finished graph, weights stored dense."""
        net, random = self.net, self.random
        size = (random.randint(8, 20), random.randint(8, 20))
        x = self.stem(net.input(1, *size, random.choice([1, 4]) if self.oddly(0.15) else 3))
        self.values.append(x)
        if self.maybe(0.15):
            other = self.stem(net.input(1, *size, 3))
            if net.size(other)[:2] == net.size(x)[:2]:
                x = net.concat(x, other) if self.maybe(0.3) else self.pointwise(x)
            self.values.append(other)
        for k in range(random.randint(1, 8)):
            x = self.block(x) if k or self.oddly(0.3) else self.pointwise(x)
            self.values.append(x)
        outputs = [self.head(x)]
        if self.oddly(0.1):
            outputs.append(random.choice(self.values))
        if self.oddly(0.1):
            outputs.append(self.head(random.choice(self.values)))
        return net.build(*self.live(outputs))

    def live(self, outputs):
        """Outputs once each, none of them an input, and values that nobody reads as outputs."""
        read = {int(i) for op in self.net.graph.operators for i in op.inputs}
        made = [int(i) for op in self.net.graph.operators for i in op.outputs]
        found = dict.fromkeys(o for o in outputs if o in made)
        found.update(dict.fromkeys(o for o in made if o not in read))
        return list(found)


def random_graph(random):
    """One graph's bytes, decided by ``random`` alone."""
    return Builder(random).build()


def graphs():
    """Hypothesis strategy of graphs; a window may be larger than a tiny map: those are left out."""
    return st.randoms(use_true_random=False).map(random_graph).filter(is_whole)


def is_whole(tflite):
    """Whether every map has an element at least."""
    try:
        tensors = graph.read(tflite).subgraphs[0].tensors
    except ModelError as error:
        if "larger than its map" in str(error) or "impossible shape" in str(error):
            return False
        raise
    return all(min(graph.shape_of(tensor), default=1) > 0 for tensor in tensors)


def all_sparse(tflite):
    """Stores every filter sparse, whether or not the runtime computes it right then."""
    model = graph.read(tflite)
    for subgraph in model.subgraphs:
        makers = graph.producers(subgraph)
        for op in list(subgraph.operators):
            operand = graph.FILTER_OPERANDS.get(graph.op_name(model, op))
            if operand is None:
                continue
            index = int(op.inputs[operand])
            maker = makers.get(index)
            if maker is not None and graph.op_name(model, maker) == "DEQUANTIZE":
                index = int(maker.inputs[0])
            _store_sparse(model, subgraph, index)
    return graph.write(model)


def _store_sparse(model, subgraph, index):
    tensor = subgraph.tensors[index]
    values = graph.constant(model, tensor)
    if values is None:
        return
    net = Ops()
    net.model, net.graph = model, subgraph
    dense = net.op("DENSIFY", [index], values.shape, "DensifyOptions")
    subgraph.operators.insert(0, subgraph.operators.pop())
    subgraph.tensors[dense].type = tensor.type
    subgraph.tensors[dense].quantization = tensor.quantization
    for op in subgraph.operators[1:]:
        op.inputs = np.where(np.asarray(op.inputs) == index, dense, op.inputs).astype(np.int32)
    data, tensor.sparsity = encode(values, smallest_encoding(values))
    tensor.buffer = graph.add_buffer(model, data)
