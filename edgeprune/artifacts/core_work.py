"""What a core has to do for one inference, and the cycles that are estimated from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cache:
    """A level of data cache, in lines of 64 bytes.

    Attributes:
        bytes: Its size.
        ways: Lines that a set holds.
    """

    bytes: int
    ways: int


@dataclass(frozen=True)
class Misses:
    """Lines that a level of data cache did not have.

    Attributes:
        streamed: Lines beside one that was missed shortly before, which prefetchers foresee.
        other: All other lines.
    """

    streamed: int
    other: int


@dataclass(frozen=True)
class CoreWork:
    """What one thread did between two moments, as a rule for one inference.

    Attributes:
        instructions: All that it executed.
        accesses: Loads and stores.
        blocks: Machine code of a block, which runs from its first instruction to its last, to the
            times that it ran.
        misses: Of each level of data cache, the nearest to the core first; empty where none was
            simulated.
    """

    instructions: int
    accesses: int
    blocks: Mapping[bytes, int]
    misses: tuple[Misses, ...]


@dataclass(frozen=True)
class CycleEstimate:
    """Estimated cycles of one inference, and what they are made of.

    Attributes:
        cycles: All of them, rounded.
        core: The core that they are estimated for.
        clock_hz: The clock at which :attr:`latency_us` is meant.
        error: Share by which nine of ten estimates of this class of cores were wrong at most; None
            where none were compared with measurements.
        pipeline_cycles: Of all blocks, before its factor.
        streamed_cycles: Of streamed lines, before its factor.
        other_cycles: Of other lines, before its factor.
        unknown_share: Share of all instructions in blocks whose cycles nobody knows; they are taken
            at the mean of the others.
    """

    cycles: int
    core: str
    clock_hz: int
    error: float | None
    pipeline_cycles: float
    streamed_cycles: float
    other_cycles: float
    unknown_share: float

    @property
    def latency_us(self) -> float:
        """Microseconds at the clock."""
        return self.cycles / self.clock_hz * 1e6


@dataclass(frozen=True)
class NoEstimate:
    """No cycles could be estimated.

    Attributes:
        reason: Why, in one line.
    """

    reason: str
