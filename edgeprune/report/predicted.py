"""Times that are predicted from a file alone, neither measured nor counted, and called so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgeprune.artifacts.plan import Clock
from edgeprune.report.assessment import factor_phrase
from edgeprune.report.estimated import band_text, clock_text
from edgeprune.report.figures import time_text

PREDICTED_TIME = "time (predicted)"
"""What figures are called in tables."""

NOT_KNOWN = "not known"


class Costed(Protocol):
    """What has a predicted cost: a plan, or what compressing did."""

    @property
    def instructions(self) -> float | None:
        """Per inference."""

    @property
    def cycles(self) -> float | None:
        """Per inference; None where they are not known of the core."""

    @property
    def clock(self) -> Clock | None:
        """The core and the clock of the cycles; None without them."""


def predicted_time(one: Costed) -> str:
    """A predicted time, as text."""
    if one.cycles is None or one.clock is None:
        return NOT_KNOWN
    return time_text(one.clock.ms(one.cycles) * 1e3)


def change_phrase(before: Costed, after: Costed) -> str:
    """How much less one takes than another, in the unit of decisions; empty where not known."""
    ratio = cost_ratio(before, after)
    if ratio is None:
        return ""
    if _by_cycles(before, after):
        return factor_phrase(ratio, "less time", "more time", "as much time")
    same = "as many instructions"
    return factor_phrase(ratio, "fewer instructions", "more instructions", same)


def cost_ratio(before: Costed, after: Costed) -> float | None:
    """How many times as much the first one takes, in the unit of decisions; None if not known."""
    if _by_cycles(before, after):
        pair = (before.cycles, after.cycles)
    else:
        pair = (before.instructions, after.instructions)
    return pair[0] / pair[1] if pair[0] and pair[1] else None


def _by_cycles(before: Costed, after: Costed) -> bool:
    return all(one.clock is not None and one.clock.decides for one in (before, after))


def prediction_remark(clock: Clock) -> str:
    """What a reader must know of predicted times before using them, in one line.

    >>> prediction_remark(Clock("cortex-a72", 1_800_000_000, 0.21)).partition("; ")[0]
    'times are predicted from the file, not measured: cortex-a72 at 1.80 GHz'
    """
    text = (
        f"times are predicted from the file, not measured: {clock.core} at "
        f"{clock_text(clock.clock_hz)}; estimates of such cores are {band_text(clock.error)}"
    )
    return text if clock.decides else f"{text}; decisions rest on instructions there"


def prediction_remarks(some: Sequence[Costed]) -> list[str]:
    """The same for each clock of these, once."""
    clocks = dict.fromkeys(one.clock for one in some if one.clock is not None)
    return [prediction_remark(clock) for clock in clocks]
