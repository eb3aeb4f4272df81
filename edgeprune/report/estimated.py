"""Estimated cycles and times of an emulated board's core: never measured, and always called so."""

from __future__ import annotations

from edgeprune.artifacts.core_work import CycleEstimate, NoEstimate
from edgeprune.artifacts.measurement import Measured
from edgeprune.history.result import UNSET, Estimate, Result, UnsetType, Variant, known
from edgeprune.report.stored_parts import stored_part

TIME, CYCLES = "time (estimated)", "cycles (estimated)"
"""What figures are called in tables."""


def stored_estimate(measured: Measured | None) -> Estimate | UnsetType | None:
    """A variant's estimate; null where an emulated core has none, absent on other devices."""
    estimate = None if measured is None else measured.estimate
    if isinstance(estimate, CycleEstimate):
        return stored_part(Estimate, estimate)
    return None if isinstance(estimate, NoEstimate) else UNSET


def missing_estimate(measured: Measured | None) -> str | UnsetType:
    """Why an emulated core has none; absent elsewhere."""
    estimate = None if measured is None else measured.estimate
    return estimate.reason if isinstance(estimate, NoEstimate) else UNSET


def estimated_us(variant: Variant) -> float | None:
    """Estimated microseconds of an inference; None where there is no estimate."""
    estimate = known(variant.estimated)
    return None if estimate is None else estimate.latency_us


def estimated_cycles(variant: Variant) -> int | None:
    """Estimated cycles of an inference; None where there is no estimate."""
    estimate = known(variant.estimated)
    return None if estimate is None else estimate.cycles


def clock_text(clock_hz: int) -> str:
    """A clock as people say it.

    >>> clock_text(1_800_000_000), clock_text(64_000_000)
    ('1.80 GHz', '64 MHz')
    """
    return f"{clock_hz / 1e9:.2f} GHz" if clock_hz >= 10**9 else f"{clock_hz / 1e6:g} MHz"


def band_text(error: float | None) -> str:
    """How far estimates are off, in a phrase.

    >>> band_text(None), band_text(0.28)
    ('error not known yet', 'within 28% in 9 of 10 cases')
    """
    return "error not known yet" if error is None else f"within {error:.0%} in 9 of 10 cases"


def estimate_remarks(result: Result) -> list[str]:
    """What a reader must know of estimates before using them, one line each."""
    lines = []
    for estimate in dict.fromkeys(known(variant.estimated) for variant in result.variants):
        if estimate is not None:
            lines.append(
                f"time and cycles are estimated, not measured: {estimate.core} at "
                f"{clock_text(estimate.clock_hz)}, {band_text(estimate.error)} "
                "(docs/estimated-times.md)"
            )
            if estimate.unknown_share >= _SAID_SHARE:
                lines.append(
                    f"{estimate.unknown_share:.1%} of the instructions are in code whose cycles "
                    "nobody knows, taken at the mean of the rest: `edgeprune doctor` says what "
                    "would compute them"
                )
    for variant in result.variants:
        if reason := known(variant.estimated_reason):
            lines.append(f"{variant.name}: no estimated time: {reason}")
    return list(dict.fromkeys(lines))


_SAID_SHARE = 0.001
"""From here on a share of unknown code is told. Source: ours; it moves an estimate by less."""
