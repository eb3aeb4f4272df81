"""Plans: what firmware runs. The format is ``firmware/include/edgeprune/plan.h``."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from edgeprune.firmware.arena import Arena, Block, arranged
from edgeprune.firmware.encode import NOWHERE, Writer
from edgeprune.firmware.memory import blocks_of, owners_of
from edgeprune.firmware.operations import Alias
from edgeprune.firmware.read import steps_of
from edgeprune.models.tflite import graph


@dataclass(frozen=True)
class Plan:
    """A network made ready for firmware.

    Attributes:
        data: The plan's bytes.
        arena: Where its tensors lie.
        blocks: What lies in the arena, in the order of ``arena.places``.
    """

    data: bytes
    arena: Arena
    blocks: tuple[Block, ...]


def compiled(tflite: bytes, isa: str) -> Plan:
    """Compiles a network.

    Args:
        tflite: An int8 network.
        isa: One of :data:`edgeprune.firmware.kernels.ISAS`: what the core's kernels may use.

    Raises:
        ModelError: Firmware cannot run it.
    """
    model = graph.view(tflite)
    steps = steps_of(model)
    inputs, outputs = graph.io_tensors(model)
    subgraph = model.subgraphs[0]
    sizes = {i: math.prod(graph.shape_of(t)) for i, t in enumerate(subgraph.tensors)}
    owner = owners_of(steps, inputs, outputs, isa)
    running = [step for step in steps if not isinstance(step.operation, Alias)]
    blocks, of_tensor, of_scratch = blocks_of(running, owner, sizes, inputs, outputs, isa)
    arena = arranged(blocks)
    writer = Writer(hashlib.sha256(tflite).digest()[:16], arena.bytes)
    place = {tensor: arena.places[of_tensor[owner[tensor]]] for tensor in owner}
    for tensor in (*inputs, *outputs):
        writer.tensor(subgraph.tensors[tensor], place[tensor])
    for number, step in enumerate(running):
        scratch = of_scratch.get(number)
        where = (NOWHERE, 0)
        if scratch is not None:
            where = arena.places[scratch], blocks[scratch].bytes
        writer.op(step, [place[i] for i in step.inputs], place[step.output], where, isa)
    return Plan(writer.data(len(inputs), len(outputs)), arena, tuple(blocks))
