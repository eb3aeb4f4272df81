"""A hard swish that was spelt out becomes HARD_SWISH: one operator instead of three or four.

``x relu6(x + 3) / 6`` in any order of its factors. Proof sketch: HARD_SWISH computes the same
product; only the rounding of its factors may differ, by a few units in the last place.
Source: LiteRT ``tflite/kernels/internal/reference/hard_swish.h``.
"""

from __future__ import annotations

import math

from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.neighbours import (
    NO_ACTIVATION,
    RELU6,
    activation_of,
    affine_of,
    is_float,
    sole_reader,
)

_TOLERANCE = 1e-6
"""Largest relative difference from 3 and 1/6: a few units in float32's last place, 6e-8 each."""


def apply(model: graph.Model) -> list[RewriteNote]:
    """Replaces each hard swish of the first subgraph.

    Args:
        model: Changed in place; the product's tensor keeps its name.

    Returns:
        A note per hard swish.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        source = _source(reader, op)
        if source is not None:
            output = int(op.outputs[0])
            subgraph.operators.remove(op)
            edit.add_operator(model, subgraph, "HARD_SWISH", [source], output)
            detail = "x * relu6(x + 3) / 6 became one operator"
            notes.append(RewriteNote("hard_swish", reader.name(output), True, detail))
            reader = Reader(model, subgraph)
    edit.sort(subgraph)
    edit.sweep(subgraph)
    return notes


def _source(reader: Reader, op: graph.Operator) -> int | None:
    """The tensor x whose hard swish ``op`` completes, or None."""
    if graph.op_name(reader.model, op) not in ("MUL", "DIV"):
        return None
    factors, scale = _product(reader, op)
    if len(factors) != 2 or not math.isclose(scale, 1 / 6, rel_tol=_TOLERANCE):
        return None
    for x, clamped in (factors, factors[::-1]):
        if _shifted(reader, clamped) == x:
            return x
    return None


def _product(reader: Reader, op: graph.Operator) -> tuple[list[int], float]:
    """Tensors that ``op`` multiplies, and the product of the constants among them.

    A factor that is itself a product, which nothing else reads, is taken apart.
    """
    affine = affine_of(reader, op)
    if activation_of(op) != NO_ACTIVATION or not is_float(reader, op):
        return [], 0.0
    scale, tensors = 1.0, [int(i) for i in op.inputs]
    if affine is not None:
        if affine.kind != "MUL" or affine.constants.size != 1:
            return [], 0.0
        scale, tensors = float(affine.constants[0]), [affine.source]
    elif graph.op_name(reader.model, op) != "MUL":
        return [], 0.0
    factors: list[int] = []
    for tensor in tensors:
        maker = reader.producers.get(tensor)
        inner: list[int] = []
        if maker is not None and sole_reader(reader, tensor) is op:
            inner, constant = _product(reader, maker) if _is_product(reader, maker) else ([], 1.0)
            scale *= constant if inner else 1.0
        factors += inner or [tensor]
    return factors, scale


def _is_product(reader: Reader, op: graph.Operator) -> bool:
    return graph.op_name(reader.model, op) in ("MUL", "DIV")


def _shifted(reader: Reader, tensor: int) -> int | None:
    """The tensor x of which ``tensor`` is relu6(x + 3), or None."""
    maker = reader.producers.get(tensor)
    if maker is None:
        return None
    if graph.op_name(reader.model, maker) == "RELU6":
        maker = reader.producers.get(int(maker.inputs[0]))
        wanted = NO_ACTIVATION
    else:
        wanted = RELU6
    affine = affine_of(reader, maker) if maker is not None else None
    if affine is None or activation_of(maker) != wanted or affine.kind != "ADD":
        return None
    is_three = affine.constants.size == 1 and math.isclose(
        float(affine.constants[0]), 3, rel_tol=_TOLERANCE
    )
    return affine.source if is_three else None
