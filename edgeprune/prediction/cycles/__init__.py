"""Estimated cycles of an inference on a core, from what it does on the same core emulated.

Pipelines and caches are taken apart, and their cycles added::

    cycles = pipeline * (cycles of all blocks)
           + streamed * (lines that prefetchers foresee, at the bandwidth of where they come from)
           + other    * (other lines, at the latency of where they come from)

The cycles of a block come from LLVM's model of the core's pipelines (:mod:`.blocks`,
:mod:`.llvm`), the lines from a simulation of the caches beside the emulator
(``device_agents/qemu/data_caches.h``), sizes and latencies from the core's file (:mod:`.core`), and
the three factors are fitted to published measurements for each class of cores. Not modelled are
wrongly foreseen branches, misses of the instruction cache and of address translation, lines that
are written back, and what other cores do to shared levels.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgeprune.artifacts.core_work import CoreWork, CycleEstimate, Misses
from edgeprune.errors import ConfigError
from edgeprune.prediction.cycles import llvm
from edgeprune.prediction.cycles.blocks import block_cycles, digest_of
from edgeprune.prediction.cycles.core import Core, Fit, core_names, load_core

__all__ = [
    "Core",
    "CycleEstimate",
    "Fit",
    "core_names",
    "estimate",
    "line_cycles",
    "load_core",
    "pipeline_cycles",
]

_NS = 1e-9


def estimate(work: CoreWork, core: Core, fit: Fit | None = None) -> CycleEstimate:
    """Estimates the cycles of one inference; the same work gives the same cycles.

    Args:
        work: What it does, with the caches of ``core`` simulated (:attr:`Core.caches`).
        core: The core.
        fit: Factors in place of those of the core's class.

    Raises:
        ConfigError: A table is damaged, LLVM fails, or no block is known and LLVM is missing.
        ValueError: Other levels of cache were simulated than the core has.
    """
    fit = core.fit if fit is None else fit
    pipeline, unknown_share = pipeline_cycles(work, core)
    streamed, other = line_cycles(work.misses, core)
    total = fit.pipeline * pipeline + fit.streamed * streamed + fit.other * other
    return CycleEstimate(
        cycles=round(total),
        core=core.name,
        clock_hz=core.clock_hz,
        error=fit.error,
        pipeline_cycles=pipeline,
        streamed_cycles=streamed,
        other_cycles=other,
        unknown_share=unknown_share,
    )


def pipeline_cycles(work: CoreWork, core: Core) -> tuple[float, float]:
    """Cycles of all blocks, and the share of instructions in blocks that nobody knows.

    Raises:
        ConfigError: A table is damaged, LLVM fails, or no block is known and LLVM is missing.
    """
    known = _known(work, core.pipelines)
    cycles, instructions, unknown = 0.0, 0, 0
    for code in sorted(work.blocks):  # a sum of floats depends on its order
        times, one = work.blocks[code], known[code]
        count = times * (len(code) // 4)
        if one is None:
            unknown += count
        else:
            cycles += times * one
            instructions += count
    if not instructions:
        raise ConfigError(
            f"no cycles of this code are known on {core.name}: apt-get install llvm-{llvm.MAJOR}"
        )
    return cycles * (instructions + unknown) / instructions, unknown / (instructions + unknown)


_computed: dict[tuple[str, bytes], float | None] = {}
"""What LLVM said of a block that the table lacks, by model and code: kernels share blocks."""


def _known(work: CoreWork, pipelines: str) -> dict[bytes, float | None]:
    """Cycles of each block; None for those that nobody knows."""
    table = block_cycles(pipelines)
    known = {code: table.get(digest_of(code)) for code in work.blocks}
    missing = [code for code, cycles in known.items() if cycles is None]
    if not missing or not llvm.is_installed():
        return known
    new = sorted(code for code in missing if (pipelines, code) not in _computed)
    for code, cycles in zip(new, llvm.cycles_of(new, pipelines), strict=True):
        _computed[pipelines, code] = cycles
    return known | {code: _computed[pipelines, code] for code in missing}


class MissedLines(Protocol):
    """Lines that a level of data cache did not have, counted or predicted."""

    @property
    def streamed(self) -> float:
        """Those that prefetchers foresee."""

    @property
    def other(self) -> float:
        """All other ones."""


def line_cycles(misses: Sequence[MissedLines], core: Core) -> tuple[float, float]:
    """Cycles of streamed lines and of others, if nothing hid them.

    Args:
        misses: Of each level of data cache, the nearest to the core first.
        core: The core.

    Raises:
        ValueError: Other levels of cache were simulated than the core has.
    """
    if len(misses) != len(core.caches):
        raise ValueError(f"{len(misses)} levels of cache, expected {len(core.caches)}")
    memory_latency = core.memory.latency_ns * _NS * core.clock_hz
    memory_line = core.memory.line_ns * _NS * core.clock_hz
    costs = [(level.line_cycles, level.latency_cycles) for level in (core.l2, core.l3) if level]
    costs.append((memory_line, memory_latency))
    streamed = other = 0.0
    for level, (line, latency) in enumerate(costs):
        further = misses[level + 1] if level + 1 < len(misses) else Misses(0, 0)
        streamed += (misses[level].streamed - further.streamed) * line
        other += (misses[level].other - further.other) * latency
    return streamed, other
