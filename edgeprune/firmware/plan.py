"""Plans: what firmware runs. The format is ``firmware/include/edgeprune/plan.h``."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from edgeprune.firmware.arena import Arena
from edgeprune.firmware.encode import Writer
from edgeprune.firmware.ends import ends_of
from edgeprune.firmware.fuse import fused
from edgeprune.firmware.memory import Memory, planned
from edgeprune.firmware.operations import Alias
from edgeprune.firmware.read import steps_of
from edgeprune.models.tflite import graph


@dataclass(frozen=True)
class Plan:
    """A network made ready for firmware.

    Attributes:
        data: The plan's bytes.
        memory: Where its tensors lie.
    """

    data: bytes
    memory: Memory

    @property
    def arena(self) -> Arena:
        """How many bytes the arena has to hold, and the bound beside it."""
        return self.memory.arena


def compiled(tflite: bytes, isa: str) -> Plan:
    """Compiles a network.

    Args:
        tflite: An int8 network. Where it has float32 or uint8 in or out, the plan has int8 there
            (:mod:`edgeprune.firmware.ends`).
        isa: One of :data:`edgeprune.firmware.kernels.ISAS`: what the core's kernels may use.

    Raises:
        ModelError: Firmware cannot run it.
    """
    model = graph.view(tflite)
    ends = ends_of(model)
    inputs, outputs = ends.stored_inputs, ends.stored_outputs
    steps = fused(steps_of(model), outputs)
    tensors = model.subgraphs[0].tensors
    sizes = {i: math.prod(graph.shape_of(tensor)) for i, tensor in enumerate(tensors)}
    names = {i: graph.tensor_name(tensor) for i, tensor in enumerate(tensors)}
    memory = planned(steps, sizes, names, (inputs, outputs), isa)
    writer = Writer(hashlib.sha256(tflite).digest()[:16], memory.arena.bytes)
    for tensor in (*inputs, *outputs):
        writer.tensor(tensors[tensor], memory.place(tensor))
    running = [step for step in steps if not isinstance(step.operation, Alias)]
    for number, step in enumerate(running):
        writer.op(
            step,
            [memory.place(tensor) for tensor in step.inputs],
            memory.place(step.output),
            memory.scratch_place(number),
            isa,
        )
    return Plan(writer.data(len(inputs), len(outputs)), memory)
