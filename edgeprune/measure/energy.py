"""The pass for energy: idle, inferences, idle, with a meter's record over all of it.

It is a pass of its own because a meter may cost time, and because a sensor needs a longer window
than a session of the timing takes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edgeprune.agents.answers import Timing
from edgeprune.agents.sampler import AgentSampler
from edgeprune.agents.session import AgentSession
from edgeprune.artifacts.measurement import Session, SessionState
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.host_clock import HostClock
from edgeprune.energy.net import Energy, NoEnergy, Window
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.measure.cooling import cool
from edgeprune.measure.energy_windows import (
    SETTLE_S,
    Windows,
    figure,
    stretches_s,
    takes_s,
    too_slow,
)
from edgeprune.measure.find_meter import first_meter
from edgeprune.measure.guard import UsedCores, judged
from edgeprune.measure.reading import Reading
from edgeprune.measure.starter import Starter
from edgeprune.measure.watch import Watch, watching
from edgeprune.meters.base import Meter
from edgeprune.progress import counted
from edgeprune.text.untrusted import one_line

Say = Callable[[str], None]

_RUNS_LIMIT = 1_000_000
"""Of the agent's request ``time``. Source: device_agents/PROTOCOL.md, Limits."""

_PINGS = 10


def measure_energy(
    starter: Starter, plan: EnergyPlan, names: Iterable[str], used: UsedCores, say: Say
) -> dict[str, Energy | NoEnergy]:
    """Energy of every variant, or why it is not known; a meter's failure ends no run.

    A window in which the device throttled or others had its cores is measured again, after cooling,
    as often as the table says; then there is no figure.

    Args:
        starter: Starts agents on the device.
        plan: What is to measure.
        names: The variants.
        used: What the agents run on, for the rules.
        say: Takes a line of progress.
    """
    names = list(names)
    if not plan.meters:
        return dict.fromkeys(names, NoEnergy(plan.missing))
    by_name: dict[str, Energy | NoEnergy] = {}
    unread: list[str] = []  # the pass for times has told it
    with starter.agent() as sampling, watching(starter, starter.cpus, unread) as watch:
        try:
            with first_meter(
                plan, starter.transport, AgentSampler(sampling), starter.clock
            ) as meter:
                pass_ = _Pass(starter, meter, plan, sampling, watch, used, say)
                each_s = takes_s(starter.table, meter)
                for k, name in enumerate(names):
                    line = f"{name}: energy by {meter.site.table.use}"
                    say(line)
                    counted(k, len(names), line, left_s=each_s * (len(names) - k))
                    by_name[name] = pass_.measured(name)
        except (ConfigError, DeviceError) as error:
            reason = one_line(error, 300)
            by_name |= dict.fromkeys([n for n in names if n not in by_name], NoEnergy(reason))
    return by_name


@dataclass(frozen=True)
class _Pass:
    """All that the windows of one run share."""

    starter: Starter
    meter: Meter
    plan: EnergyPlan
    sampling: AgentSession
    watch: Watch | None
    used: UsedCores
    say: Say

    def measured(self, name: str) -> Energy | NoEnergy:
        """One variant's energy in a window that the rules let pass."""
        table = self.starter.table
        reasons: list[str] = []
        start_c: float | None = None
        for tries in range(table.most_repeats() + 1):
            if tries:
                self.say(f"{name}: measuring energy again: {reasons[-1]}")
            found, session = self._one(name)
            if session is None:
                return found
            judgement = judged({name: (session,)}, self.used)[name][0]
            if judgement.verdict in ("valid", "noisy"):
                return found  # a mean over the window bears single runs
            reasons.append(f"{judgement.verdict}: {judgement.reason}")
            if start_c is None and judgement.state is not None:
                start_c = judgement.state.temperature_before_c
            if judgement.verdict == "throttled" and self.watch and tries < table.most_repeats():
                read = functools.partial(self._read, self.watch)
                least_s, most_s = table.cooldown_min_s, table.cooldown_max_s
                cool(read, start_c, least_s, most_s, self.starter.clock)
        return NoEnergy(f"{len(reasons)} windows were not valid; the last one {reasons[-1]}")

    def _one(self, name: str) -> tuple[Energy | NoEnergy, Session | None]:
        """A fresh process that is loaded all the time, and idle before and after.

        Returns:
            The figure; and its inferences as a session for the guard, None without a window.
        """
        meter, table, timeout_s = self.meter, self.starter.table, self.starter.timeout_s
        clock = self.starter.clock
        slow = too_slow(meter)
        if slow is not None:
            return slow, None
        idle_s, window_s = stretches_s(table, meter)
        with self.starter.agent() as agent:
            self.starter.load(agent, name)
            max_s = table.amount().max_s
            agent.time(table.warmup, 1, max_s, timeout_s + max_s)
            offset_s = 0.0 if meter.on_device else _host_minus_device_s(agent, clock)
            meter.start()
            before = self._idle(agent, idle_s)
            if self.watch is not None:
                # A command would draw power that the idle stretches do not.
                self.watch.begin(agent.hello().pid, window_s, may_command=False)
            timing = agent.time(0, _RUNS_LIMIT, window_s, timeout_s + window_s)
            inferring = Window(timing.begin_ns / 1e9, timing.end_ns / 1e9)
            state = None
            if self.watch is not None:
                state = self.watch.end(inferring.start_s, inferring.end_s)
            after = self._idle(agent, idle_s)
            clock.sleep(SETTLE_S)
            try:
                trace = meter.stop()
            except DeviceError as error:
                return NoEnergy(str(error)), None
        windows = Windows(before, inferring, after, len(timing.latency_ns))
        found = figure(trace, windows, offset_s, self.plan, is_aligned=meter.on_device)
        return found, _as_session(timing, state)

    def _idle(self, agent: AgentSession, length_s: float) -> Window:
        """A stretch without load, once the device has settled; it says no word meanwhile."""
        clock = self.starter.clock
        self._keep_awake()
        clock.sleep(SETTLE_S)
        start_s = agent.clock_s()
        clock.sleep(length_s)
        window = Window(start_s, agent.clock_s())
        self._keep_awake()
        return window

    def _read(self, watch: Watch) -> Reading:
        """One reading of the device; the meter's agent must not end meanwhile."""
        self.sampling.clock_s()
        return watch.read()

    def _keep_awake(self) -> None:
        """Asks the agents that only sample something, or they end."""
        self.sampling.clock_s()
        if self.watch is not None:
            self.watch.keep_awake()


def _as_session(timing: Timing, state: SessionState | None) -> Session:
    return Session(
        latency_ns=timing.latency_ns,
        first_ns=timing.first_ns,
        load_ns=0,
        peak_memory_bytes=None,
        begin_s=timing.begin_ns / 1e9,
        end_s=timing.end_ns / 1e9,
        state=state,
    )


def _host_minus_device_s(agent: AgentSession, clock: HostClock) -> float:
    """Difference of the two monotonic clocks, by the quickest of a few questions.

    The device answers somewhere between question and answer; half of that time is the error.
    """
    asked = []
    for _ in range(_PINGS):
        before_s = clock.now_s()
        device_s = agent.clock_s()
        after_s = clock.now_s()
        asked.append((after_s - before_s, (before_s + after_s) / 2 - device_s))
    return min(asked)[1]
