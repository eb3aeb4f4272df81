"""What each layer of a network will be on a core, before anything is pushed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.firmware.costs import instructions
from edgeprune.firmware.ends import ends_of
from edgeprune.firmware.facts import Kernel, facts_of, kernel_of
from edgeprune.firmware.fuse import fused
from edgeprune.firmware.operations import Convolution, Step
from edgeprune.firmware.patterns import stored
from edgeprune.firmware.plan import Plan
from edgeprune.firmware.read import steps_of
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.layer_names import short_name


@dataclass(frozen=True)
class PlannedLayer:
    """One operation of a plan.

    Attributes:
        name: The layer's, as reports call it.
        op: The operator's name in TFLite's schema.
        kernel: The firmware's function that runs it.
        sparse: Whether that passes over zeros.
        zeros: Share of zeros among its weights; None for a layer without weights.
        weights_bytes: What its weights take in flash with their index; None likewise.
        instructions: Predicted from its shapes and the core's costs; None for a layer without
            weights, which is not predicted.
    """

    name: str
    op: str
    kernel: str
    sparse: bool
    zeros: float | None
    weights_bytes: int | None
    instructions: int | None


def layers_of(tflite: bytes, plan: Plan) -> tuple[PlannedLayer, ...]:
    """The layers of a network as its plan runs them.

    Args:
        tflite: An int8 network.
        plan: Its plan.
    """
    model = graph.view(tflite)
    steps = {step.layer: step for step in fused(steps_of(model), ends_of(model).stored_outputs)}
    found = []
    for kind, pattern, isa, layer in facts_of(plan.data).ops:
        kernel = kernel_of(kind, pattern, isa)
        if kernel is not None:
            found.append(_layer(model, layer, steps.get(layer), kernel))
    return tuple(found)


def _layer(model: graph.Model, layer: int, step: Step | None, kernel: Kernel) -> PlannedLayer:
    subgraph = model.subgraphs[0]
    operator = subgraph.operators[layer]
    output = subgraph.tensors[int(operator.outputs[0])]
    zeros, size, predicted = None, None, None
    if step is not None and isinstance(step.operation, Convolution) and kernel.pattern is not None:
        weights = stored(step.operation, kernel.pattern, kernel.isa)
        weights_of = step.operation.weights
        zeros = 1 - int(np.count_nonzero(weights_of)) / int(weights_of.size)
        size = weights.bytes
        predicted = round(instructions(step.operation, kernel.pattern, weights, kernel.isa))
    return PlannedLayer(
        short_name(graph.tensor_name(output)),
        graph.op_name(model, operator),
        kernel.name,
        kernel.is_sparse,
        zeros,
        size,
        predicted,
    )
