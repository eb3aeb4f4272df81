"""How often the body of a WHILE runs, where that is known before the first inference.

Keras writes a recurrent layer as a loop over its time steps: a counter that begins at a constant,
grows by a constant, and is compared with one. Such counters are followed here; what depends on the
data is not known.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

from edgeprune.models.tflite import graph

MAX_TURNS = 20_000
"""A counter is followed no further: a second of sound has 16,000 samples. Source: ours."""

_Value = int | bool | None
"""A whole number or a truth; None for what is not known."""

_SCALAR: dict[str, Callable[[int, int], int | bool]] = {
    "ADD": operator.add,
    "EQUAL": operator.eq,
    "GREATER": operator.gt,
    "GREATER_EQUAL": operator.ge,
    "LESS": operator.lt,
    "LESS_EQUAL": operator.le,
    "MAXIMUM": max,
    "MINIMUM": min,
    "NOT_EQUAL": operator.ne,
    "SUB": operator.sub,
}


def turns(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> int | None:
    """How often the body of a WHILE runs.

    Args:
        model: The model.
        subgraph: The WHILE's.
        op: The WHILE.

    Returns:
        The number; None where data decide, or where it is larger than :data:`MAX_TURNS`.
    """
    condition = _Counters(model, model.subgraphs[int(op.builtinOptions.condSubgraphIndex)])
    body = _Counters(model, model.subgraphs[int(op.builtinOptions.bodySubgraphIndex)])
    values = [_stored(model, subgraph.tensors[int(index)]) for index in op.inputs]
    for count in range(MAX_TURNS):
        goes_on = condition.outputs(values)[0]
        if goes_on is None:
            return None
        if not goes_on:
            return count
        values = body.outputs(values)
    return None


_SOURCES = frozenset(
    "CALL CUSTOM IF MULTINOMIAL RANDOM_STANDARD_NORMAL RANDOM_UNIFORM READ_VARIABLE WHILE".split()
)
"""Operators whose results may differ although their operands do not, or that compute elsewhere."""


def never_ends(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> bool:
    """Whether a WHILE, once begun, goes on for ever: nothing that its condition reads changes.

    Args:
        model: The model.
        subgraph: The WHILE's.
        op: The WHILE.
    """
    condition = model.subgraphs[int(op.builtinOptions.condSubgraphIndex)]
    body = model.subgraphs[int(op.builtinOptions.bodySubgraphIndex)]
    if turns(model, subgraph, op) == 0:
        return False
    read = _read_by(model, condition, int(condition.outputs[0]))
    if read is None:
        return False
    positions = [k for k, index in enumerate(condition.inputs) if int(index) in read]
    return all(int(body.outputs[k]) == int(body.inputs[k]) for k in positions)


def _read_by(model: graph.Model, subgraph: graph.Subgraph, wanted: int) -> set[int] | None:
    """Tensors that one is computed from; None where something else may decide on it."""
    makers = graph.producers(subgraph)
    read, ahead = {wanted}, [wanted]
    while ahead:
        maker = makers.get(ahead.pop())
        if maker is None:
            continue
        if graph.op_name(model, maker) in _SOURCES:
            return None
        more = {int(index) for index in maker.inputs if index >= 0} - read
        read |= more
        ahead += more
    return read


class _Counters:
    """The part of a subgraph that computes single numbers out of its inputs and constants."""

    def __init__(self, model: graph.Model, subgraph: graph.Subgraph) -> None:
        self._inputs = [int(index) for index in subgraph.inputs]
        self._outputs = [int(index) for index in subgraph.outputs]
        stored = ((i, _stored(model, tensor)) for i, tensor in enumerate(subgraph.tensors))
        self._known = {index: value for index, value in stored if value is not None}
        named = ((graph.op_name(model, op), op) for op in subgraph.operators)
        self._steps = [
            (name, [int(i) for i in op.inputs], int(op.outputs[0]))
            for name, op in named
            if (name in _SCALAR or name == "LOGICAL_AND") and len(op.inputs) == 2
        ]

    def outputs(self, inputs: Sequence[_Value]) -> list[_Value]:
        """What the subgraph computes from these inputs, as far as that is known."""
        values: dict[int, _Value] = dict(self._known)
        values.update(zip(self._inputs, inputs, strict=False))
        for name, (first, second), output in self._steps:
            one, two = values.get(first), values.get(second)
            if name == "LOGICAL_AND" and (one is False or two is False):
                values[output] = False  # whatever the other one is
            elif one is None or two is None:
                values[output] = None
            else:
                values[output] = one and two if name == "LOGICAL_AND" else _SCALAR[name](one, two)
        return [values.get(index) for index in self._outputs]


def _stored(model: graph.Model, tensor: graph.Tensor) -> _Value:
    """The only element of a constant."""
    dtype = graph.dtype_of(tensor)
    if dtype is None or dtype.kind not in "biu" or math.prod(graph.shape_of(tensor)) != 1:
        return None
    values = graph.constant(model, tensor)
    found = None if values is None else values.reshape(-1)[0].item()
    return found if isinstance(found, int) else None
