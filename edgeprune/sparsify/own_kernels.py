"""Lets layers run in edgeprune's own block-sparse int8 kernels, in the place of the runtime's.

Each becomes a custom operator of one input, whose options hold the layer's plan; the agent brings
the kernels, which compute bit for bit what XNNPACK's dense int8 kernels do. Only a process that
brings them can load such a file, so it is never the only one that is written.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.stored import OwnKernels, Sparsified
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import edit, graph
from edgeprune.models.tflite.conv_plan import (
    OPERATORS,
    PREFIX,
    geometry_if_int8,
    geometry_of,
    own_layers,
    plan_of,
)
from edgeprune.sparsify import sparsify, stored_dense
from edgeprune.sparsify.kernel_choice import OwnLayer, choice_lines, kernel_choices


def sparsified_for_agent(
    sparsified: Sparsified, cpu: Cpu, kernels: str, *, encode: bool
) -> Sparsified:
    """Adds what the device is given where edgeprune's agent runs there: a file with own kernels.

    Args:
        sparsified: The file that any runtime takes.
        cpu: The board's cores.
        kernels: ``auto``, or ``edgeprune`` to take them wherever zeros are enough.
        encode: Whether other weights are stored sparse where that is smaller.

    Returns:
        ``sparsified`` with what was chosen for each layer, and itself otherwise where no layer
        goes to such a kernel.

    Raises:
        ModelError: The file is damaged.
    """
    dense = stored_dense(sparsified.tflite)
    choices = kernel_choices(layers_of(dense), cpu, kernels)
    chosen = {choice.name for choice in choices if choice.is_own}
    lines = choice_lines(choices, cpu, kernels)
    if not chosen:
        reasons = (*sparsified.reasons, *lines)
        return dataclasses.replace(sparsified, choices=choices, reasons=reasons)
    with_own, layers = with_own_kernels(dense, lambda layer: layer.name in chosen)
    rest = sparsify(with_own, cpu, encode=encode)
    own = OwnKernels(rest.tflite, layers, (*layers, *rest.expected))
    reasons = (*rest.reasons, *lines)
    return dataclasses.replace(sparsified, own=own, choices=choices, reasons=reasons)


def sparsified_as_it_came(sparsified: Sparsified, with_own: bytes) -> Sparsified:
    """The same where the user's file brings layers in own kernels, and is measured as it is.

    Args:
        sparsified: What any runtime takes of it.
        with_own: The file as it came.
    """
    layers = tuple(name for name, _ in own_layers(graph.view(with_own)).values())
    own = OwnKernels(with_own, layers, (*layers, *sparsified.expected), is_brought=True)
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


def layers_if_int8(tflite: bytes) -> tuple[OwnLayer, ...]:
    """The layers that a float file would have as int8, all of their weights other than zero.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.view(tflite)
    subgraph = model.subgraphs[0]
    layers = []
    for op in subgraph.operators:
        kind, geometry, reason, size = graph.op_name(model, op), None, "", 0
        if kind not in OPERATORS:
            continue
        try:
            geometry = geometry_if_int8(model, subgraph, op)
            size = geometry.out_channels * geometry.taps * geometry.in_channels
        except ValueError as error:
            reason = str(error)
        name = graph.tensor_name(subgraph.tensors[op.outputs[0]])
        layers.append(OwnLayer(name, kind, geometry, reason, size))
    return tuple(layers)


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
    reason, geometry = "", None
    try:
        plan = plan_of(model, subgraph, op)
        elements = math.prod(graph.shape_of(subgraph.tensors[op.inputs[0]]))
        geometry = geometry_of(plan, elements)
    except ValueError as error:
        reason = str(error)
    name = graph.tensor_name(subgraph.tensors[op.outputs[0]])
    weights = None
    if geometry is not None:
        weights = graph.constant(model, subgraph.tensors[op.inputs[1]])
    size = 0 if weights is None else weights.size
    zeros = 0 if weights is None else size - int(np.count_nonzero(weights))
    return OwnLayer(name, graph.op_name(model, op), geometry, reason, size, zeros)


def _replace(model: graph.Model, op: graph.Operator, plan: bytes, number: int) -> None:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = f"{PREFIX}{number}".encode(), 1
    model.operatorCodes.append(code)
    op.opcodeIndex = len(model.operatorCodes) - 1
    op.inputs = np.array([op.inputs[0]], np.int32)
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.NONE, None
    op.customOptions = np.frombuffer(plan, np.uint8)
