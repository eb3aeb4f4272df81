"""Constant operands go where XNNPACK's sparse clusters accept them: first, and with 4 dimensions.

XNNPACK looks at the first operand's shape when the second one is constant, so a constant must come
first, and both operands must have four dimensions.

Proof sketch. Addition and multiplication of floats commute exactly. A constant of shape ``()``,
``(1,)``, ``(C,)`` broadcasts like ``(1, 1, 1, C)``. ``x - c`` is ``-c + x`` exactly. ``x / c`` is
``(1 / c) * x`` exactly if ``c`` is a power of two; otherwise both the reciprocal and the product
round, so the result may differ by one unit in the last place, or rarely two.
Source: XNNPACK ``src/subgraph.c``, xnn_check_nchw_compatibility.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.neighbours import Affine, activation_of, affine_of, is_float

_BINARY = ("ADD", "MUL", "SUB", "DIV")


def apply(model: graph.Model) -> list[RewriteNote]:
    """Moves and shapes the constants of ADD, MUL, SUB and DIV on maps of the first subgraph.

    Args:
        model: Changed in place.

    Returns:
        A note per operator changed, and per one on a map whose constant fits nowhere.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    notes = []
    for op in list(subgraph.operators):
        if not _reads_constant(reader, op) or _fits(reader, op):
            continue
        layer, affine = reader.name(int(op.outputs[0])), affine_of(reader, op)
        if affine is None:
            detail = f"{graph.op_name(model, op)}: its constant is not one value a channel"
            notes.append(RewriteNote("constant_operands", layer, False, detail))
        else:
            detail = _change(reader, op, affine)
            notes.append(RewriteNote("constant_operands", layer, True, detail))
    edit.sweep(subgraph)
    return notes


def _reads_constant(reader: Reader, op: graph.Operator) -> bool:
    """Whether ``op`` combines a map with something that does not change."""
    return (
        graph.op_name(reader.model, op) in _BINARY
        and is_float(reader, op)
        and len(reader.shape(int(op.outputs[0]))) == 4
        and sum(reader.is_static(int(i)) for i in op.inputs) == 1
    )


def _fits(reader: Reader, op: graph.Operator) -> bool:
    """Whether XNNPACK accepts the operands as they are."""
    first, second = (reader.shape(int(i)) for i in op.inputs)
    return (
        graph.op_name(reader.model, op) in ("ADD", "MUL")
        and reader.is_static(int(op.inputs[0]))
        and len(first) == len(second) == 4
        and max(first[:3]) == 1
    )


def _change(reader: Reader, op: graph.Operator, affine: Affine) -> str:
    model, subgraph, old = reader.model, reader.subgraph, graph.op_name(reader.model, op)
    is_second = not reader.is_static(int(op.inputs[0]))
    constant = int(op.inputs[1 if is_second else 0])
    if old != affine.kind or len(reader.shape(constant)) != 4:
        values = affine.constants.reshape(1, 1, 1, -1)
        constant = edit.add_constant(
            model, subgraph, values, f"{reader.name(constant)}/{old.lower()}"
        )
    op.inputs = np.array([constant, affine.source], np.int32)
    if old == affine.kind:
        return "its constant moved first" if is_second else "its constant got 4 dimensions"
    _become(model, op, affine.kind)
    rounding = "" if affine.is_exact else ", with a rounded reciprocal"
    return f"{old} of a constant became {affine.kind}{rounding}"


def _become(model: graph.Model, op: graph.Operator, name: str) -> None:
    """Makes SUB an ADD, or DIV a MUL, with the same activation."""
    options = schema.AddOptionsT() if name == "ADD" else schema.MulOptionsT()
    options.fusedActivationFunction = activation_of(op)
    op.opcodeIndex = graph.opcode_index(model, name, 1)
    op.builtinOptions = options
    op.builtinOptionsType = getattr(schema.BuiltinOptions, f"{name.title()}Options")
