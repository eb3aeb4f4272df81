"""The rules by which a session's times may be used, or not; docs/measuring.md lists them."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.measurement import Session, SessionState, SessionVerdict

SLOWEST_CLOCK = 0.95
"""Of the pinned or usual clock: below it a session is throttled. Source: docs/measuring.md."""

STEEPEST_PERCENT = 2.0
"""Rise of latency a minute from which on a session is throttled. Source: docs/measuring.md."""

SHORTEST_FOR_TREND_S = 60.0
"""Of a session whose trend is judged. Source: ours; on a busy machine the speeds of neighbouring
seconds are alike, and 16 s showed trends of 50% a minute where there was none."""

LIVE_BITS, STICKY_BITS = 0xF, 0xF0000
"""Under-voltage, capped, throttled, soft limit: now, and since the start of the device.

Source: Raspberry Pi documentation, vcgencmd, get_throttled.
"""

MAX_WAIT_SHARE = 0.25
"""Share of a session for which another process may have the core.

Source: ours. A median bears up to half of its runs being disturbed, and a wait of a time slice hits
one run of many; a neighbour that computes all the time on the same core takes half.
"""

MAX_OTHERS = 0.10
"""CPU time of others on the used cores, where waiting cannot be read; ticks are coarse. Source:
ours."""

SHORTEST_FOR_TICKS_S = 0.5
"""Of a window in which CPU time is told by ticks of 10 ms. Source: ours; 2% then."""

SHORTEST_FOR_WAITS_S = 0.05
"""Of a window in which a wait of one time slice, some 3 ms, does not decide. Source: ours."""

WIDEST_HALF = 0.5
"""Of a session's runs: the spread of the middle half as a share of the median. Source: ours.

What shares a core with a busy hyper-thread jumps between two speeds 45% apart; its median still
compares, if the sessions of both variants do so alike.
"""

LEAST_RUNS = 20
"""From which on that spread is judged. Source: ours."""


@dataclass(frozen=True)
class UsedCores:
    """What the agent runs on.

    Attributes:
        cores: Online cores of the device; None if not known.
        threads: Of the runtime.
        is_pinned: Whether the agent may use chosen cores only.
    """

    cores: int | None = None
    threads: int = 1
    is_pinned: bool = False

    def most_others(self) -> float:
        """CPU time per core that others may take: a core for each thread has to be left."""
        if self.is_pinned or not self.cores:
            return MAX_OTHERS
        return max(MAX_OTHERS, 1 - self.threads / self.cores)


def judged(
    sessions: Mapping[str, Sequence[Session]], used: UsedCores
) -> dict[str, tuple[Session, ...]]:
    """The same sessions with their verdicts, by variant.

    Args:
        sessions: All of one run, on one device; its usual clock is told by all of them.
        used: What the agents ran on.
    """
    clocks = [
        one.state.frequency_hz
        for found in sessions.values()
        for one in found
        if one.state is not None and one.state.frequency_hz is not None
    ]
    usual_hz = statistics.median(clocks) if clocks else None
    return {
        name: tuple(_with_verdict(one, usual_hz, used) for one in found)
        for name, found in sessions.items()
    }


def _with_verdict(session: Session, usual_hz: float | None, used: UsedCores) -> Session:
    state = session.state or SessionState()
    checks: tuple[tuple[SessionVerdict, str], ...] = (
        ("throttled", throttled(state, usual_hz)),
        ("contaminated", contaminated(session, state, used)),
        ("throttled", slowing(session)),
        ("noisy", noisy(session)),
    )
    for verdict, reason in checks:
        if reason:
            return dataclasses.replace(session, verdict=verdict, reason=reason)
    return dataclasses.replace(session, verdict="valid", reason=None)


def throttled(state: SessionState, usual_hz: float | None) -> str:
    """Why the device ran slower than it can, in one sentence; empty if it says nothing of it."""
    before, highest = state.thermal_status_before, state.thermal_status_highest
    if before is not None and highest is not None and highest > before:
        return f"Android's thermal status rose from {before} to {highest}"
    return _by_bits(state) or _by_clock(state, usual_hz)


def _by_bits(state: SessionState) -> str:
    seen = state.throttle_bits_seen
    if seen is None:
        return ""
    if seen & LIVE_BITS:
        return f"the firmware throttles: get_throttled is {seen:#x}, bits 0 to 3 must be 0"
    new = seen & ~(state.throttle_bits_before or 0) & STICKY_BITS
    if new and state.throttle_bits_before is not None:
        return f"the firmware throttled meanwhile: get_throttled has new bits {new:#x}"
    return ""


def _by_clock(state: SessionState, usual_hz: float | None) -> str:
    """A pinned clock may not fall at all; one that floats is judged by its median."""
    pinned = state.pinned_hz is not None
    found_hz = state.frequency_lowest_hz if pinned else state.frequency_hz
    should_hz = state.pinned_hz if pinned else usual_hz
    if found_hz is None or should_hz is None or found_hz >= SLOWEST_CLOCK * should_hz:
        return ""
    of = "pinned" if pinned else "usual"
    return (
        f"the clock was {found_hz / 1e6:.0f} MHz, {found_hz / should_hz:.0%} of the {of} "
        f"{should_hz / 1e6:.0f} MHz; at least {SLOWEST_CLOCK:.0%} is expected"
    )


def slowing(session: Session) -> str:
    """How latency rose, in one sentence; empty if it did not, or the session is too short."""
    trend = session.trend
    if trend is None or trend[1] <= STEEPEST_PERCENT or length_s(session) < SHORTEST_FOR_TREND_S:
        return ""
    return (
        f"latency rose by {trend[0]:.1f}% a minute (95% confidence: {trend[1]:.1f} to "
        f"{trend[2]:.1f}); at most {STEEPEST_PERCENT:g}% is expected"
    )


def length_s(session: Session) -> float:
    """Seconds from its first timed inference to its last; 0 if not recorded."""
    if session.begin_s is None or session.end_s is None:
        return 0.0
    return session.end_s - session.begin_s


def contaminated(session: Session, state: SessionState, used: UsedCores) -> str:
    """Who else took the CPU, in one sentence; empty if nobody did.

    Where the kernel says how long the agent waited for its core, that decides: processes on other
    cores do not count.
    """
    is_long = length_s(session) >= SHORTEST_FOR_TICKS_S
    if is_long and state.stolen_share is not None and state.stolen_share > MAX_OTHERS:
        return (
            f"other guests of this machine took {state.stolen_share:.0%} of the cores; at most "
            f"{MAX_OTHERS:.0%} is expected"
        )
    if state.wait_share is not None:
        if state.wait_share <= MAX_WAIT_SHARE or length_s(session) < SHORTEST_FOR_WAITS_S:
            return ""
        return (
            f"another process had the core for {state.wait_share:.0%} of the session; at most "
            f"{MAX_WAIT_SHARE:.0%} is expected"
        )
    most = used.most_others()
    if not is_long or state.other_share is None or state.other_share <= most:
        return ""
    return (
        f"other processes took {state.other_share:.0%} of the cores; at most {most:.0%} is expected"
    )


def noisy(session: Session) -> str:
    """How far the runs of a session lie apart, in one sentence; empty if they agree."""
    if len(session.latency_ns) < LEAST_RUNS:
        return ""
    low, median, high = np.quantile(session.latency_ns, [0.25, 0.5, 0.75])
    spread = float((high - low) / median)
    if spread <= WIDEST_HALF:
        return ""
    return (
        f"the middle half of its runs spreads over {spread:.0%} of their median; at most "
        f"{WIDEST_HALF:.0%} is expected"
    )
