"""Lets layers run in edgeprune's own block-sparse int8 kernels, in the place of the runtime's.

Each becomes a custom operator of one input, whose options hold the layer's plan; the agent brings
the kernels, which compute bit for bit what XNNPACK's dense int8 kernels do. Only a process that
brings them can load such a file, so it is never the only one that is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.stored import OwnKernels, Sparsified
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import edit, graph
from edgeprune.models.tflite.conv_plan import BLOCK, OPERATORS, PREFIX, packed_blocks, plan_of
from edgeprune.sparsify import sparsify, stored_dense

MIN_BLOCK_SPARSITY = 2 / 3
"""Of a layer that runs in a kernel of edgeprune's own.

Source: ours, benchmarks/own_kernels.py. With half of its blocks zero MobileNet gains 12 % on a
Cortex-A76 and 6 % with AVX-512, where ResNet-50 takes 1.25 times as long as dense; with 80 % both
gain, ResNet-50 there 1.5 times.
"""


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


def sparsified_for_agent(sparsified: Sparsified, cpu: Cpu, *, encode: bool) -> Sparsified:
    """Adds what the device is given where edgeprune's agent runs there: a file with own kernels.

    Args:
        sparsified: The file that any runtime takes.
        cpu: The board's cores.
        encode: Whether other weights are stored sparse where that is smaller.

    Returns:
        ``sparsified`` itself, with the reason, if no layer has zeros enough.

    Raises:
        ModelError: The file is damaged.
    """
    dense = stored_dense(sparsified.tflite)
    with_own, layers = with_own_kernels(
        dense, lambda layer: layer.block_sparsity >= MIN_BLOCK_SPARSITY
    )
    if not layers:
        line = (
            "no layer runs in edgeprune's own kernels: in none are "
            f"{MIN_BLOCK_SPARSITY:.0%} of the 1x4 blocks of int8 weights zero (--quantize int8 "
            "--pattern 1x4)"
        )
        return dataclasses.replace(sparsified, reasons=(*sparsified.reasons, line))
    rest = sparsify(with_own, cpu, encode=encode)
    own = OwnKernels(rest.tflite, layers, (*layers, *rest.expected))
    return dataclasses.replace(sparsified, own=own)


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
) -> tuple[bytes, tuple[str, ...]]:
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
            whole = rows.shape[1] * -(-rows.shape[3] // BLOCK) * len(rows)
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
