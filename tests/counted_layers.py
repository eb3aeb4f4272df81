"""Instructions of random layers on an emulated core, beside how often each loop turns."""

from __future__ import annotations

from dataclasses import dataclass
from unittest.mock import patch

import firmware_rig
from int8_layers import random_layer

from edgeprune.firmware import costs, kernels
from edgeprune.firmware.patterns import BLOCK_WEIGHTS, stored
from edgeprune.firmware.plan import compiled
from edgeprune.firmware.read.steps import steps_of
from edgeprune.models.tflite import graph

MIN_INSTRUCTIONS = {"scalar": 5000, "dsp": 5000, "mve": 1500}
"""Smaller layers are left out: a tick of the counter is 40 or 50, and they do not matter."""


@dataclass(frozen=True)
class Counted:
    """A layer.

    Attributes:
        text: How it was drawn.
        loops: How often each loop turns.
        predicted: Instructions by the table.
        instructions: Those counted.
    """

    text: str
    loops: dict[str, float]
    predicted: float
    instructions: int


def counted(folder, core, isa, op, pattern, seeds):
    """Counts those layers that a kernel can run, in at least :data:`MIN_INSTRUCTIONS`."""
    drawn = [
        random_layer(
            seed, op, (0.2, 0.5, 0.8, 0.95)[seed % 4], BLOCK_WEIGHTS.get(pattern, 1),
            usual=True, large=True,
        )
        for seed in seeds
    ]  # fmt: skip
    with patch.object(kernels, "instructions", lambda _, name, *rest: name != pattern):
        jobs = [(compiled(layer.tflite, isa).data, layer.inputs.tobytes()) for layer in drawn]
    found = []
    for layer, ran in zip(drawn, firmware_rig.Core(folder, core).run(jobs), strict=True):
        step = steps_of(graph.view(layer.tflite))[0]
        operation = step.operation
        kept = stored(operation, pattern, isa)
        predicted = costs.instructions(operation, pattern, kept, isa)
        if ran.instructions >= MIN_INSTRUCTIONS[isa] and kernels.isa_of(step, isa) == isa:
            turns = costs.loops(operation, pattern, kept, isa)
            found.append(Counted(layer.text, dict(turns), predicted, ran.instructions))
    return found
