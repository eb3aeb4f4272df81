"""The pass for start and memory: fresh processes that load a variant and infer once.

It is a pass of its own: what it asks for costs the timed processes nothing, and its own times are
of the start alone. The file was just pushed or just run, so the device reads it from memory, not
from its card.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeprune.artifacts.measurement import StartSample
from edgeprune.measure.stages import doing
from edgeprune.measure.starter import Starter
from edgeprune.progress import counted

PROCESSES = 5
"""Fresh processes a variant, in turns; the report shows their median. Source: ours."""


def measure_start(
    starter: Starter, names: Sequence[str], say: Callable[[str], None]
) -> dict[str, tuple[StartSample, ...]]:
    """Starts every variant :data:`PROCESSES` times.

    Args:
        starter: Starts agents on the device.
        names: The variants.
        say: Takes a line of progress.

    Raises:
        DeviceError: The device or the way to it failed.
    """
    samples_of: dict[str, list[StartSample]] = {name: [] for name in names}
    say("start and memory")
    total = PROCESSES * len(names)
    for k in range(PROCESSES):
        for name in names if k % 2 == 0 else names[::-1]:
            begun = sum(map(len, samples_of.values()))
            counted(begun, total, f"start and memory: process {begun + 1} of {total}")
            with doing(f"starting `{name}`, process {k + 1} of {PROCESSES}"):
                samples_of[name].append(_start(starter, name))
    return {name: tuple(samples) for name, samples in samples_of.items()}


def _start(starter: Starter, name: str) -> StartSample:
    with starter.agent() as agent:
        agent_memory_bytes = agent.peak_memory_bytes()
        load_ns = starter.load(agent, name)
        timing = agent.time(0, 1, 0.0, starter.timeout_s)
        return StartSample(load_ns, timing.first_ns, timing.peak_memory_bytes, agent_memory_bytes)
