"""One session: a fresh agent process that times one variant until it has enough."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeprune.agents.answers import MIN_RUN_NS
from edgeprune.agents.device_clock import too_slow
from edgeprune.agents.session import AgentSession, Timing
from edgeprune.artifacts.measurement import Session
from edgeprune.devices.host_clock import HOST_CLOCK, HostClock
from edgeprune.errors import DeviceError
from edgeprune.measure.trend import percent_per_minute
from edgeprune.recipe.efforts import Amount

MAX_KEPT = 2000
"""Runs of a session in ``latency_ns``; of more, every second, fourth, ... is there. Source: ours.

A p99 needs 662 (:func:`edgeprune.report.statistics.minimum_runs`); a soak has millions.
"""

STRETCH_RUNS, STRETCH_S = 20_000, 10.0
"""Most that one request asks for: bounds the answer's size and the silence. Source: ours."""

LONG_S = 10.0
"""From here on a session shows its latency over time. Source: MLPerf Tiny's shortest window."""

MAX_WAIT, MAX_WAIT_S = 5.0, 120.0
"""How often the planned seconds this machine waits for them, and seconds on top. Source: ours."""

STRETCHES = 60
"""Of a long session, each with its median. Source: ours."""


def time_session(
    agent: AgentSession,
    amount: Amount,
    warmup: int,
    answer_s: float,
    between: Callable[[], None] = lambda: None,
    clock: HostClock = HOST_CLOCK,
) -> Session:
    """Times the loaded model until there are enough runs and enough seconds of them.

    Args:
        agent: Has loaded the model.
        amount: What is enough, and when to stop all the same.
        warmup: Inferences before, not counted.
        answer_s: How long an answer may take beyond the inferences.
        between: Called between two requests.
        clock: This machine's.

    Returns:
        The session; ``load_ns`` is left to the caller, as 0.

    Raises:
        DeviceError: The agent failed.
    """
    begun = agent.moment()
    first = agent.time(warmup, amount.runs, amount.max_s, answer_s + amount.max_s)
    kept = _Kept()
    kept.add(first)
    last = first
    planned_s = min(amount.timed_s, amount.max_s)
    until_s = clock.now_s() + MAX_WAIT * planned_s + MAX_WAIT_S
    while (left_s := planned_s - kept.timed_s) > 0:
        if clock.now_s() > until_s:
            raise DeviceError(
                f"the device says that its inferences took {kept.timed_s:,.3f} s, and this machine "
                f"waited more than {clock.now_s() - until_s + MAX_WAIT_S:,.0f} s for them: "
                "is its clock right?"
            )
        between()
        runs = max(1, min(STRETCH_RUNS, round(left_s / kept.median_s())))
        # At least a millisecond: the agent takes 0 for no limit.
        last = agent.time(0, runs, max(min(left_s, STRETCH_S), 1e-3), answer_s + STRETCH_S)
        kept.add(last)
        # Else a clock that stands still would be waited for without an end.
        if last.end_ns - last.begin_ns < MIN_RUN_NS * len(last.latency_ns):
            raise DeviceError(
                f"the device's clock stands still: {len(last.latency_ns):,} inferences in "
                f"{last.end_ns - last.begin_ns:,} ns"
            )
    if wrong := too_slow(begun, agent.moment()):
        raise DeviceError(wrong)
    over_time = kept.over_time(first.begin_ns) if kept.timed_s >= LONG_S else ()
    return Session(
        latency_ns=tuple(kept.latency_ns),
        first_ns=first.first_ns,
        load_ns=0,
        peak_memory_bytes=last.peak_memory_bytes,
        runs=kept.runs,
        begin_s=first.begin_ns / 1e9,
        end_s=last.end_ns / 1e9,
        over_time=over_time,
        trend=percent_per_minute(over_time),
        every_ns=np.concatenate(kept.parts) if kept.every > 1 else None,
    )


@dataclass
class _Kept:
    """The runs so far: all, or every ``every``-th, with the moments at which they began."""

    latency_ns: list[int] = field(default_factory=list)
    at_ns: list[int] = field(default_factory=list)
    every: int = 1
    runs: int = 0
    timed_s: float = 0.0
    parts: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, timing: Timing) -> None:
        self.parts.append(np.array(timing.latency_ns, np.int64))
        at_ns = timing.begin_ns
        for latency_ns in timing.latency_ns:
            if self.runs % self.every == 0:
                self.latency_ns.append(latency_ns)
                self.at_ns.append(at_ns)
            self.runs += 1
            at_ns += latency_ns
        self.timed_s += (timing.end_ns - timing.begin_ns) / 1e9
        while len(self.latency_ns) > MAX_KEPT:
            self.every *= 2
            self.latency_ns, self.at_ns = self.latency_ns[::2], self.at_ns[::2]

    def median_s(self) -> float:
        return max(statistics.median(self.latency_ns) / 1e9, 1e-9)

    def over_time(self, begin_ns: int) -> tuple[tuple[float, float], ...]:
        """Medians of equal stretches: (seconds since the beginning, microseconds)."""
        length_ns = (self.at_ns[-1] - begin_ns) / STRETCHES or 1.0
        stretches: dict[int, list[int]] = {}
        for at_ns, latency_ns in zip(self.at_ns, self.latency_ns, strict=True):
            place = min(int((at_ns - begin_ns) / length_ns), STRETCHES - 1)
            stretches.setdefault(place, []).append(latency_ns)
        return tuple(
            (
                round((place + 0.5) * length_ns / 1e9, 3),
                round(statistics.median(found_ns) / 1e3, 3),
            )
            for place, found_ns in sorted(stretches.items())
        )
