"""Lets layers run in edgeprune's own block-sparse int8 kernels, in the place of the runtime's.

Each becomes a custom operator of one input, whose options hold the layer's plan; the agent brings
the kernels, which compute bit for bit what XNNPACK's dense int8 kernels do. Only a process that
brings them can load such a file, so it is never the only one that is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.models.tflite import edit, graph
from edgeprune.models.tflite.conv_plan import OPERATORS, PREFIX, packed_blocks, plan_of

__all__ = ["OwnLayer", "layers_of", "with_own_kernels"]


@dataclass(frozen=True)
class OwnLayer:
    """A layer that may run in a kernel of edgeprune's own.

    Attributes:
        name: Name of its output.
        op: ``CONV_2D`` or ``FULLY_CONNECTED``.
        block_sparsity: Share of its blocks of 1 x 4 weights that are all zero, in [0, 1].
        reason: Why no plan can stand for it; empty if one can.
    """

    name: str
    op: str
    block_sparsity: float
    reason: str


def layers_of(tflite: bytes) -> tuple[OwnLayer, ...]:
    """The int8 layers of a file's first subgraph, in its order.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.view(tflite)
    subgraph = model.subgraphs[0]
    return tuple(
        _layer(model, subgraph, op)
        for op in subgraph.operators
        if graph.op_name(model, op) in OPERATORS
    )


def with_own_kernels(
    tflite: bytes, wanted: Callable[[OwnLayer], bool] = lambda layer: True
) -> tuple[bytes, Collection[str]]:
    """A file whose layers run in edgeprune's own kernels, where a plan can stand for them.

    Args:
        tflite: A file of int8 layers with dense weights.
        wanted: Which of the layers that can are to.

    Returns:
        The file, which is ``tflite`` itself if there is none, and the names of the layers.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    names: list[str] = []
    for op in subgraph.operators:
        if graph.op_name(model, op) not in OPERATORS:
            continue
        layer = _layer(model, subgraph, op)
        if not layer.reason and wanted(layer):
            _replace(model, op, plan_of(model, subgraph, op), len(names))
            names.append(layer.name)
    if not names:
        return tflite, ()
    edit.sweep(subgraph)
    edit.compact(model)
    return graph.write(model), tuple(names)


def _layer(model: graph.Model, subgraph: graph.Subgraph, op: graph.Operator) -> OwnLayer:
    reason, sparsity = "", 0.0
    try:
        plan_of(model, subgraph, op)
    except ValueError as error:
        reason = str(error)
    else:
        weights = graph.constant(model, subgraph.tensors[op.inputs[1]])
        if weights is not None:
            rows = weights.reshape(len(weights), -1, 1, weights.shape[-1])
            whole = rows.shape[1] * -(-rows.shape[3] // 4) * len(rows)
            sparsity = 1 - len(packed_blocks(rows)[2]) / whole
    name = graph.tensor_name(subgraph.tensors[op.outputs[0]])
    return OwnLayer(name, graph.op_name(model, op), sparsity, reason)


def _replace(model: graph.Model, op: graph.Operator, plan: bytes, number: int) -> None:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = f"{PREFIX}{number}".encode(), 1
    model.operatorCodes.append(code)
    op.opcodeIndex = len(model.operatorCodes) - 1
    op.inputs = np.array([op.inputs[0]], np.int32)
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.NONE, None
    op.customOptions = np.frombuffer(plan, np.uint8)
