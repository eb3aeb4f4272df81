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

from dataclasses import dataclass

from edgeprune.artifacts.core_work import CoreWork, Misses
from edgeprune.errors import ConfigError
from edgeprune.prediction.cycles import llvm
from edgeprune.prediction.cycles.blocks import block_cycles, digest_of
from edgeprune.prediction.cycles.core import Core, Fit, core_names, load_core

__all__ = ["Core", "CycleEstimate", "Fit", "core_names", "estimate", "load_core"]

_NS = 1e-9


@dataclass(frozen=True)
class CycleEstimate:
    """Estimated cycles of one inference, and what they are made of.

    Attributes:
        cycles: All of them, rounded.
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
    pipeline, unknown_share = _pipeline_cycles(work, core)
    streamed, other = _line_cycles(work.misses, core)
    total = fit.pipeline * pipeline + fit.streamed * streamed + fit.other * other
    return CycleEstimate(
        round(total), core.clock_hz, fit.error, pipeline, streamed, other, unknown_share
    )


def _pipeline_cycles(work: CoreWork, core: Core) -> tuple[float, float]:
    """Cycles of all blocks, and the share of instructions in blocks that nobody knows."""
    table = block_cycles(core.pipelines)
    known = {code: table.get(digest_of(code)) for code in work.blocks}
    missing = [code for code, cycles in known.items() if cycles is None]
    if missing and llvm.is_installed():
        known |= dict(zip(missing, llvm.cycles_of(missing, core.pipelines), strict=True))
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


def _line_cycles(misses: tuple[Misses, ...], core: Core) -> tuple[float, float]:
    """Cycles of streamed lines and of others, if nothing hid them."""
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
