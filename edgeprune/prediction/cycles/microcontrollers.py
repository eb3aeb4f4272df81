"""Estimated cycles of an inference on a microcontroller's core: its instructions times a factor.

These cores run in order, have no data cache, and take one instruction a cycle at best, so that one
factor a core holds what each instruction and the chip's flash wait for. It was fitted to dense
kernels; how sparse ones differ is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgeprune.artifacts.core_work import CycleEstimate
from edgeprune.errors import ConfigError
from edgeprune.files.tables import read_table, read_toml

_FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class CyclesPerInstruction:
    """Of one core on a typical chip.

    Attributes:
        cycles: Cycles of an instruction, on average.
        clock_hz: The chip's highest clock.
        error: Share by which estimates were wrong at most, on measurements that took no part in the
            fit.
        chip: The chip, with its board.
        source: What the factor was fitted to.
    """

    cycles: float
    clock_hz: int
    error: float
    chip: str
    source: str


def microcontroller_names() -> list[str]:
    """Cores with a factor."""
    return sorted(_factors())


def estimate_of(instructions: int, core: str) -> CycleEstimate | None:
    """Estimates the cycles of one inference.

    Args:
        instructions: Of one inference.
        core: As boards name it: ``cortex-m4``.

    Returns:
        None for a core without a factor.

    Raises:
        ConfigError: The file of factors is damaged.
    """
    factor = _factors().get(core)
    if factor is None:
        return None
    cycles = factor.cycles * instructions
    return CycleEstimate(
        cycles=round(cycles),
        core=core,
        clock_hz=factor.clock_hz,
        error=factor.error,
        pipeline_cycles=cycles,
        streamed_cycles=0.0,
        other_cycles=0.0,
        unknown_share=0.0,
    )


@cache
def _factors() -> dict[str, CyclesPerInstruction]:
    factors = {}
    for name, table in read_toml(_FILE).items():
        if not isinstance(table, dict):
            raise ConfigError(f"{_FILE}: {name!r} must be a table")
        factors[name] = read_table(CyclesPerInstruction, table, f"{_FILE}: [{name}]")
    return factors
