"""Carries a map that is split into groups of channels through the operators behind a gate.

Proof sketch. An operator that treats each channel alone (depthwise convolution, padding of rows,
element by element, the mean of a map) gives for a group of channels the same group of its output,
once its own constants are cut alike. A pointwise convolution is a sum over input channels, so it is
the sum of one convolution a group, with the bias in one of them and the activation behind the sum.
Only the order of additions changes. Any other operator gets the groups put together first, three
at a time, as sums of pointwise convolutions whose weights are a one per channel: exact, because
everything else that is added is zero. A pointwise convolution may get that too, where it takes
fewer passes over the map.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import edit, graph
from edgeprune.models.tflite.edit import VALID, add_constant, add_operator, add_tensor
from edgeprune.models.tflite.layer_names import layer_name
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.linear import is_linear

T = TypeVar("T")

_UNARY = frozenset(
    "ABS ELU EXP GELU HARD_SWISH LEAKY_RELU LOGISTIC NEG RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 "
    "SQUARE TANH".split()
)
_BINARY = frozenset({"ADD", "MUL"})
_AT_ONCE = 3  # groups that are put together in one sum; passes over a map are fewest with three

Part: TypeAlias = tuple[int, Array]
"""A group's tensor, and which channels of the whole map it holds."""


def batches(parts: Sequence[T]) -> list[Sequence[T]]:
    """Groups in the sets that are put together in one step.

    >>> batches(["a", "b", "c", "d"])
    [['a', 'b', 'c'], ['d']]
    """
    return [parts[i : i + _AT_ONCE] for i in range(0, len(parts), _AT_ONCE)]


def is_summed_late(groups: int, inputs: int, outputs: int) -> bool:
    """Whether a pointwise convolution is better split by groups than fed with the whole map.

    Split, each group's convolution and each addition is a pass over ``outputs`` channels. Putting
    together takes five passes over ``inputs`` channels a step: three convolutions, two additions.
    """
    steps = math.ceil(math.log(groups, _AT_ONCE)) if groups > 1 else 0
    return outputs * (2 * groups - 1) <= 5 * steps * inputs + outputs


def carries(reader: Reader, op: graph.Operator, split: set[int]) -> bool:
    """Whether an operator treats each channel of the maps in ``split`` alone."""
    maps = [int(i) for i in op.inputs if int(i) in split] + [int(op.outputs[0])]
    shapes = [reader.shape(tensor) for tensor in maps]
    if any(len(shape) != 4 or shape[3] != shapes[0][3] for shape in shapes):
        return False
    name = graph.op_name(reader.model, op)
    if name == "PAD":
        amounts = reader.values(int(op.inputs[1]))
        return amounts is not None and not amounts[[0, 3]].any()
    if name in _BINARY:
        return all(int(i) in split or reader.values(int(i)) is not None for i in op.inputs)
    return name in _UNARY or (name == "DEPTHWISE_CONV_2D" and is_linear(reader, op))


class Groups:
    """Splits the readers of one map after another; finds them in execution order.

    Args:
        reader: The model, which is changed in place; only shapes, names and constants are read.
        parts: Each group's tensor and its channels, as :func:`gate.enter` gives them.
        tensor: The whole map that the groups stand for.
        inside: Identities of the operators that belong to the cluster.
    """

    def __init__(self, reader: Reader, parts: list[Part], tensor: int, inside: set[int]) -> None:
        self.reader = reader
        self.model = reader.model
        self.subgraph = reader.subgraph
        self.inside = inside
        self.channels = [channels for _, channels in parts]
        self.parts = {tensor: [part for part, _ in parts]}
        self.whole: dict[int, int] = {}

    def carry(self) -> None:
        """Rewrites every operator of the cluster that reads a split map."""
        if len(self.channels) == 1:
            ((tensor, (part,)),) = self.parts.items()
            self._let_read(tensor, part)
            return
        edit.sort(self.subgraph)
        for op in list(self.subgraph.operators):
            if id(op) in self.inside and any(int(i) in self.parts for i in op.inputs):
                self._carry(op)

    def _let_read(self, tensor: int, new: int) -> None:
        for op in self.subgraph.operators:
            if id(op) in self.inside:
                inputs = np.array(op.inputs, np.int32)
                op.inputs = np.where(inputs == tensor, new, inputs).astype(np.int32)

    def _carry(self, op: graph.Operator) -> None:
        name = graph.op_name(self.model, op)
        if graph.is_pointwise(self.model, self.subgraph, op) and self._is_summed_late(op):
            self._sum(op)
        elif carries(self.reader, op, set(self.parts)):
            self._split(op, name)
        else:
            for operand, tensor in enumerate(int(i) for i in op.inputs):
                if tensor in self.parts:
                    edit.set_operand(op, operand, self._put_together(tensor))

    def _is_summed_late(self, op: graph.Operator) -> bool:
        outputs, _, _, inputs = self.reader.shape(int(op.inputs[1]))
        return is_summed_late(len(self.channels), inputs, outputs)

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return graph.shape_of(self.subgraph.tensors[tensor])

    def _split(self, op: graph.Operator, name: str) -> None:
        """One copy of a channel-by-channel operator a group."""
        output = int(op.outputs[0])
        label = layer_name(self.reader.name(output))
        groups = []
        for number, channels in enumerate(self.channels):
            inputs = [self._cut(int(i), number, name, k) for k, i in enumerate(op.inputs)]
            shape = (*self._shape(output)[:3], len(channels))
            part = add_tensor(self.subgraph, shape, f"{label}/{number}")
            twin = copy.copy(op)
            twin.inputs, twin.outputs = np.array(inputs, np.int32), np.array([part], np.int32)
            self.subgraph.operators.append(twin)
            groups.append(part)
        self.parts[output] = groups

    def _cut(self, tensor: int, number: int, name: str, operand: int) -> int:
        """An operand of one group: the part of a map, or of a constant by channels."""
        if tensor in self.parts:
            return self.parts[tensor][number]
        values = None if tensor < 0 else self.reader.values(tensor)
        is_amount = name == "PAD" and operand == 1
        if values is None or is_amount or values.ndim == 0 or values.shape[-1] == 1:
            return tensor
        cut = values[..., self.channels[number]]
        return add_constant(self.model, self.subgraph, cut, f"{self.reader.name(tensor)}/{number}")

    def _sum(self, op: graph.Operator) -> None:
        """A pointwise convolution as the sum of one a group."""
        output = int(op.outputs[0])
        weights = self.reader.values(int(op.inputs[1]))
        if weights is None:
            edit.set_operand(op, 0, self._put_together(int(op.inputs[0])))
            return
        bias = int(op.inputs[2]) if len(op.inputs) > 2 else -1
        activation = op.builtinOptions.fusedActivationFunction
        parts = list(zip(self.parts[int(op.inputs[0])], self.channels, strict=True))
        self._add_up(parts, weights, bias, output, activation)
        self.subgraph.operators = [o for o in self.subgraph.operators if o is not op]

    def _put_together(self, tensor: int) -> int:
        """The whole of a split map."""
        if tensor not in self.whole:
            parts: Sequence[Part] = list(zip(self.parts[tensor], self.channels, strict=True))
            while len(parts) > 1:
                parts = [self._join(batch, tensor) for batch in batches(parts)]
            self.whole[tensor] = parts[0][0]
        return self.whole[tensor]

    def _join(self, parts: Sequence[Part], tensor: int) -> Part:
        """A few groups as one, their channels in ascending order."""
        if len(parts) == 1:
            return parts[0]
        channels = np.sort(np.concatenate([channels for _, channels in parts]))
        count = len(channels)
        name = f"{layer_name(self.reader.name(tensor))}/joined/{channels[0]}"
        joined = add_tensor(self.subgraph, (*self._shape(tensor)[:3], count), name)
        within = [(part, np.searchsorted(channels, held)) for part, held in parts]
        identity = np.eye(count, dtype=np.float32).reshape(count, 1, 1, count)
        self._add_up(within, identity, -1, joined, 0)
        return joined, channels

    def _add_up(
        self, parts: Sequence[Part], weights: Array, bias: int, output: int, activation: int
    ) -> None:
        """Writes the sum over groups of each group's share of a pointwise convolution."""
        shape = self._shape(output)
        name = layer_name(graph.tensor_name(self.subgraph.tensors[output]))
        zeros = add_constant(
            self.model, self.subgraph, np.zeros(shape[3], np.float32), f"{name}/no_bias"
        )
        total = -1
        for number, (part, channels) in enumerate(parts):
            share = np.ascontiguousarray(weights[..., channels])
            filters = add_constant(self.model, self.subgraph, share, f"{name}/filters/{number}")
            product = add_tensor(self.subgraph, shape, f"{name}/product/{number}")
            inputs = [part, filters, bias if number == 0 and bias >= 0 else zeros]
            self._convolve(inputs, product)
            total = (
                product
                if number == 0
                else self._add(
                    total, product, output if number == len(parts) - 1 else -1, activation
                )
            )

    def _add(self, total: int, product: int, output: int, activation: int) -> int:
        """The sum so far; the last one writes ``output``, with the activation."""
        is_last = output >= 0
        if not is_last:
            name = graph.tensor_name(self.subgraph.tensors[product])
            output = add_tensor(self.subgraph, self._shape(product), f"{name}/sum")
        fused = activation if is_last else 0
        add_operator(
            self.model,
            self.subgraph,
            "ADD",
            [total, product],
            output,
            fusedActivationFunction=fused,
        )
        return output

    def _convolve(self, inputs: list[int], output: int) -> None:
        add_operator(
            self.model,
            self.subgraph,
            "CONV_2D",
            inputs,
            output,
            padding=VALID,
            strideH=1,
            strideW=1,
            dilationHFactor=1,
            dilationWFactor=1,
        )
