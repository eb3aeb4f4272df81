"""Bounds what a converter computes beforehand, and what a graph holds at once.

Whatever depends on constants alone is computed while a graph is converted, and stored. A graph of
a few hundred bytes can so ask for any memory and any time: ``tf.fill([60_000, 60_000], 1.0)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_tensorflow

MAX_ELEMENTS = 1 << 29
"""Most elements of one tensor for one sample: 2 GB in float32, TFLite's limit for a file."""

FREE_ELEMENTS = 1 << 27
FOLDED_RATIO = 64
"""Elements computed beforehand for each one stored: weights are cast, turned and scaled."""

MAX_WORK = 1 << 38
"""Most multiplications done beforehand: half a minute. A product of two matrices of 4,096 rows and
columns, as long as any that networks compute of their weights, is a quarter of it."""

_CUBIC = ("Cholesky", "Det", "Eig", "Inverse", "Logarithm", "Lu", "Qr", "Solve", "SquareRoot",
          "Svd", "Exponential")  # fmt: skip


def check_folded(function: Any) -> None:
    """Refuses a graph that converting, or one inference, would take beyond all bounds.

    Args:
        function: A ``ConcreteFunction`` without variables; its shapes are for one sample.

    Raises:
        ModelError: One tensor has more than 2**29 elements, or those that depend on constants alone
            are far more than the constants, or take hours to compute.
    """
    stored = folded = work = 0
    for graph in _graphs(function):
        constants: set[str] = set()
        for operator in graph.get_operations():
            elements = sum(_elements(tensor) for tensor in operator.outputs)
            if elements > MAX_ELEMENTS:
                raise ModelError(
                    f"{operator.type} {operator.name[:60]!r} makes {elements:,} numbers at once, "
                    "more than any board could hold"
                )
            if operator.type == "Const":
                constants.add(operator.name)
                stored += elements
            elif operator.inputs and all(t.op.name in constants for t in operator.inputs):
                constants.add(operator.name)
                folded += elements
                work += _work(operator)
    if folded > max(FREE_ELEMENTS, FOLDED_RATIO * stored) or work > MAX_WORK:
        raise ModelError(
            f"the graph computes {folded:,} numbers, by {work:,} multiplications, out of its "
            f"{stored:,} constants, whatever its inputs are: save it with the results in their "
            "place"
        )


def _graphs(function: Any) -> Iterator[Any]:
    """The graph, and those of the functions that its loops and branches call."""
    import_tensorflow()
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    yield function.graph
    if function.graph._functions:
        for definition in function.graph.as_graph_def().library.function:
            yield function_def_to_graph(definition)


def _elements(tensor: Any) -> int:
    """Its elements as far as its shape is known."""
    if tensor.shape.rank is None:
        return 0
    return math.prod(size for size in tensor.shape.as_list() if size is not None)


def _work(operator: Any) -> int:
    """Multiplications of an operator, roughly; 0 for those that touch each number once."""
    sizes = [_elements(tensor) for tensor in operator.inputs]
    if not sizes or not operator.outputs:
        return 0
    out = _elements(operator.outputs[0])
    if "MatMul" in operator.type or operator.type == "Einsum":
        return math.isqrt(math.prod(sizes[:2]) * out)
    if "Conv" in operator.type and len(sizes) > 1:
        last = operator.inputs[1].shape
        return out * sizes[1] // max(1, last[-1] or 1 if last.rank else 1)
    if any(word in operator.type for word in _CUBIC):
        return 10 * math.isqrt(max(sizes)) ** 3
    return 0
