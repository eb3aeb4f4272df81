"""What compressing did to a network: before and after, in the figures that people ask for."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.artifacts.measurement import Accuracy
from edgeprune.artifacts.plan import Clock
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite.macs import Size, size
from edgeprune.prediction import explain


@dataclass(frozen=True)
class Effect:
    """Figures of one network.

    Attributes:
        name: ``dense``, ``dense-fine-tuned`` or ``compressed``.
        size: Size of the network, before it is rewritten for a runtime.
        bytes: Size of the file.
        accuracy: On the test samples, or None where there is nothing to score.
        instructions: Predicted per inference on the board's core, or None where that is not known,
            as for integer arithmetic.
        cycles: Likewise; None where the core's pipelines and caches are not known.
        clock: The core and the clock of the cycles; None without them.
    """

    name: str
    size: Size
    bytes: int
    accuracy: Accuracy | None
    instructions: float | None
    cycles: float | None = None
    clock: Clock | None = None


def effect(name: str, network: bytes, file: bytes, accuracy: Accuracy | None, cpu: Cpu) -> Effect:
    """Measures one network.

    Args:
        name: See :class:`Effect`.
        network: Float TFLite with dense storage.
        file: What is made of it.
        accuracy: The file's accuracy, or None.
        cpu: The board's cores.

    Raises:
        ModelError: A file is damaged.
    """
    plan = explain(file, cpu)
    return Effect(
        name, size(network), len(file), accuracy, plan.instructions, plan.cycles, plan.clock
    )
