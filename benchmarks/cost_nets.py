"""Nets of many small layers that do not depend on each other, to count their instructions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import edit, graph
from edgeprune.sparsify.encode import encode, smallest_encoding

RELU6 = schema.ActivationFunctionType.RELU6


class Net:
    """A graph that grows layer by layer.

    Attributes:
        model: The graph.
        graph: Its only subgraph.
        clustered: Outputs of the operators that run inside a sparse cluster.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.clustered: set[int] = set()
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def input(self, *shape: int) -> int:
        """A new input of the graph."""
        name = f"input{len(self.graph.inputs)}"  # the runtime wants names that differ
        self.graph.inputs.append(edit.add_tensor(self.graph, shape, name))
        return int(self.graph.inputs[-1])

    def constant(self, values: Any) -> int:
        """A constant of float32 or int32."""
        return edit.add_constant(self.model, self.graph, np.asarray(values), "constant")

    def integers(self, *values: Any) -> int:
        """A constant of int32."""
        return self.constant(np.array(values, np.int32))

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor."""
        return graph.shape_of(self.graph.tensors[tensor])

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: str | None = None,
        **values: Any,
    ) -> int:
        """Appends an operator; returns its output."""
        output = edit.add_tensor(self.graph, tuple(shape), f"t{len(self.graph.tensors)}")
        op = edit.add_operator(self.model, self.graph, name, list(inputs), output)
        if options:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            op.builtinOptions = getattr(schema, options + "T")()
        for key, value in values.items():
            setattr(op.builtinOptions, key, value)
        return output

    def end(self, tensor: int) -> None:
        """Makes a tensor an output of the graph."""
        self.graph.outputs.append(tensor)

    def weights(self, *shape: int, kept: float = 1.0, block: int = 1) -> Array:
        """Random weights, of which a share is kept, in blocks of adjacent output channels."""
        values = self.rng.normal(size=shape).astype(np.float32)
        masks = self.rng.random((-(-shape[0] // block), *shape[1:])) < kept
        return np.asarray(values * np.repeat(masks, block, axis=0)[: shape[0]], np.float32)

    def convolution(self, x: int, filters: Array, stride: int = 1) -> int:
        """A VALID convolution; ``filters`` (out, height, width, in), depthwise (1, h, w, c)."""
        _, height, width, channels = self.shape(x)
        depthwise = filters.shape[0] == 1 and filters.shape[3] == channels > 1
        out = channels if depthwise else filters.shape[0]
        sizes = zip((height, width), filters.shape[1:3], strict=True)
        sides = [(size - kernel) // stride + 1 for size, kernel in sizes]
        return self.op(
            "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
            [x, self.constant(filters), self.constant(np.zeros(out, np.float32))],
            (1, *sides, out),
            padding=edit.VALID,
            strideH=stride,
            strideW=stride,
            dilationHFactor=1,
            dilationWFactor=1,
            fusedActivationFunction=RELU6,
            **({"depthMultiplier": 1} if depthwise else {}),
        )

    def pad(self, x: int, *sides: tuple[int, int]) -> int:
        """A PAD by (before, after) of each dimension."""
        shape = [size + sum(side) for size, side in zip(self.shape(x), sides, strict=True)]
        return self.op("PAD", [x, self.integers(*sides)], shape)

    def depthwise_same(self, x: int, kernel: int, stride: int) -> int:
        """A depthwise convolution as clusters want it: a fused PAD on all sides, then VALID."""
        side = (kernel // 2, kernel // 2)
        padded = self.pad(x, (0, 0), side, side, (0, 0))
        return self.convolution(padded, self.weights(1, kernel, kernel, self.shape(x)[3]), stride)

    def pointwise(self, x: int, channels: int, kept: float, block: int) -> int:
        """A pointwise layer with zeros."""
        filters = self.weights(channels, 1, 1, self.shape(x)[3], kept=kept, block=block)
        return self.convolution(x, filters)

    def stem(self, height: int, width: int, channels: int) -> int:
        """The convolution that begins a cluster, on a new input."""
        x = self.pad(self.input(1, height, width, 3), (0, 0), (1, 1), (1, 1), (0, 0))
        return self.convolution(x, self.weights(channels, 3, 3, 3), 2)

    def hint_sparse(self) -> None:
        """All operators so far run in clusters; another one's sparse weights make it come true."""
        self.clustered = {int(op.outputs[0]) for op in self.graph.operators}
        filters = self.weights(8, 1, 1, 8, kept=0.2)
        stored = self.constant(filters)
        tensor = self.graph.tensors[stored]
        data, tensor.sparsity = encode(filters, smallest_encoding(filters))
        tensor.buffer = graph.add_buffer(self.model, data)
        x = self.convolution(self.input(1, 1, 1, 8), filters)
        layer = self.graph.operators[-1]
        edit.set_operand(layer, 1, self.op("DENSIFY", [stored], filters.shape))
        edit.sort(self.graph)
        self.end(x)

    def file(self) -> bytes:
        """The finished file."""
        self.graph.inputs = np.array(self.graph.inputs, np.int32)
        self.graph.outputs = np.array(self.graph.outputs, np.int32)
        return graph.write(self.model)
