"""What a core has to do for one inference: what its cycles are estimated from."""

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
