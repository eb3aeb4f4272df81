"""The pass for energy: idle, inferences, idle, with a meter's record over all of it.

It is a pass of its own because a meter may cost time, and because a sensor needs a longer window
than a session of the timing takes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from edgeprune.agents.sampler import AgentSampler
from edgeprune.agents.session import AgentSession
from edgeprune.alignment import shift_s
from edgeprune.bench import EnergyPlan
from edgeprune.energy import MIN_UPDATES, Energy, NoEnergy, Window, net_energy
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.meters.base import METERS, Meter, Row, Sampler, Site
from edgeprune.power_trace import PowerTrace
from edgeprune.recipe.run_table import RunTable
from edgeprune.transports.base import Transport

SETTLE_S = 1.0
"""Before each stretch the device's regulators and the meter's filter settle. Source: ours."""

_MORE_UPDATES = 1.2
"""Windows are this much longer than what a slow sensor needs for :data:`MIN_UPDATES`."""

_LONGEST_S = 240.0
"""Of one stretch: an agent that nobody asks anything ends after 300 s. Source: PROTOCOL.md."""

_RUNS_LIMIT = 1_000_000
"""Of the agent's request ``time``. Source: device_agents/PROTOCOL.md, Limits."""

_PINGS = 10

_MOST_SHIFT = 0.95
"""Of :data:`SETTLE_S`; a meter's clock that is further off may be off by any time."""


class Starter(Protocol):
    """Starts agents on one device, and loads variants into them."""

    transport: Transport
    table: RunTable
    timeout_s: float

    def agent(self) -> AgentSession:
        """A fresh agent."""

    def load(self, agent: AgentSession, name: str) -> int:
        """Loads a variant."""


def measure_energy(
    starter: Starter, plan: EnergyPlan, names: Iterable[str], say: Callable[[str], None]
) -> dict[str, Energy | NoEnergy]:
    """Energy of every variant, or why it is not known; a meter's failure ends no run.

    Args:
        starter: Starts agents on the device.
        plan: What is to measure.
        names: The variants.
        say: Takes a line of progress.
    """
    names = list(names)
    if not plan.meters:
        return dict.fromkeys(names, NoEnergy(plan.missing))
    found: dict[str, Energy | NoEnergy] = {}
    with starter.agent() as sampling:
        try:
            with _first_meter(plan, starter.transport, AgentSampler(sampling)) as meter:
                for name in names:
                    say(f"{name}: energy by {meter.site.table.use}")
                    found[name] = _one(starter, meter, name, plan, sampling.clock_s)
        except (ConfigError, DeviceError) as error:
            found |= dict.fromkeys([n for n in names if n not in found], NoEnergy(str(error)))
    return found


def check_meters(plan: EnergyPlan, transport: Transport) -> None:
    """Looks for a meter that the user named, before anything takes long.

    One on the device is looked for later, once an agent is there to read it.

    Raises:
        ConfigError: There is no such meter, or its table is wrong.
        DeviceError: It does not answer.
    """
    for table in plan.meters if plan.is_named else ():
        kind = METERS.get(table.use)
        if not kind.on_device:
            with kind(Site(transport, _NoSampler(), table)):
                pass


class _NoSampler(Sampler):
    """For meters on the host, which read nothing on the device."""

    def start(self, files: Sequence[str], command: str, period_s: float) -> None:
        raise DeviceError("a meter on the host reads no files on the device")

    def stop(self) -> list[Row]:
        raise DeviceError("a meter on the host reads no files on the device")


@contextmanager
def _first_meter(plan: EnergyPlan, transport: Transport, sampler: Sampler) -> Iterator[Meter]:
    """The first meter of the plan that is there, open.

    Raises:
        ConfigError: The only one's table is wrong.
        DeviceError: None is there; the message says why of each.
    """
    reasons = []
    for table in plan.meters:
        meter = METERS.get(table.use)(Site(transport, sampler, table))
        try:
            meter.open()
        except (ConfigError, DeviceError) as error:
            reasons.append(f"{table.use}: {error}")
            continue
        try:
            yield meter
        finally:
            meter.close()
        return
    raise DeviceError("; ".join(reasons))


def _one(
    starter: Starter, meter: Meter, name: str, plan: EnergyPlan, keep_awake: Callable[[], object]
) -> Energy | NoEnergy:
    """One variant, in a fresh process that is loaded all the time, and idle before and after.

    ``keep_awake`` asks the sampling agent something between two stretches.
    """
    table = starter.table
    least_s = _MORE_UPDATES * MIN_UPDATES * (meter.update_period_s or 0.0)
    if least_s > _LONGEST_S:
        return NoEnergy(
            f"{meter.site.table.use}: a new value every {meter.update_period_s:g} s is too rare"
        )
    idle_s, window_s = max(table.energy_idle_s, least_s), max(table.energy_window_s, least_s)
    with starter.agent() as agent:
        starter.load(agent, name)
        max_s = table.amount().max_s
        agent.time(table.warmup, 1, max_s, starter.timeout_s + max_s)
        offset_s = 0.0 if meter.on_device else _host_minus_device_s(agent)
        meter.start()
        time.sleep(SETTLE_S)
        before = _idle(agent, idle_s)
        keep_awake()
        timing = agent.time(0, _RUNS_LIMIT, window_s, starter.timeout_s + window_s)
        keep_awake()
        time.sleep(SETTLE_S)
        after = _idle(agent, idle_s)
        time.sleep(SETTLE_S)
        try:
            trace = meter.stop()
        except DeviceError as error:
            return NoEnergy(str(error))
    inferring = Window(timing.begin_ns / 1e9, timing.end_ns / 1e9)
    windows = _Windows(before, inferring, after, len(timing.latency_ns))
    return _figure(trace, windows, offset_s, plan, is_aligned=meter.on_device)


@dataclass(frozen=True)
class _Windows:
    """The three stretches on the device's clock, and how many inferences ran in the second."""

    before: Window
    inferring: Window
    after: Window
    inferences: int

    def shifted(self, by_s: float) -> _Windows:
        """The same, later."""
        return _Windows(
            _shifted(self.before, by_s),
            _shifted(self.inferring, by_s),
            _shifted(self.after, by_s),
            self.inferences,
        )


def _figure(
    trace: PowerTrace, windows: _Windows, offset_s: float, plan: EnergyPlan, *, is_aligned: bool
) -> Energy | NoEnergy:
    """The net energy; a meter with a clock of its own is set right by the edges of the load."""
    w = windows.shifted(offset_s)
    by_s = 0.0 if is_aligned else shift_s(trace, w.before, w.inferring, w.after, SETTLE_S)
    if abs(by_s) > _MOST_SHIFT * SETTLE_S:
        return NoEnergy(
            f"{trace.sensor}: its load begins {SETTLE_S:g} s or more away from the inferences: set "
            "the clock of the machine that logs, or zero in the device's meter table"
        )
    if by_s:
        line = f"the meter's clock was {by_s:+.2f} s off, by the edges of the load; set right"
        trace = dataclasses.replace(trace, notes=(*trace.notes, line))
    w = w.shifted(by_s)
    return net_energy(trace, w.before, w.inferring, w.after, w.inferences, plan.grid)


def _shifted(window: Window, by_s: float) -> Window:
    return Window(window.start_s + by_s, window.end_s + by_s)


def _idle(agent: AgentSession, length_s: float) -> Window:
    start_s = agent.clock_s()
    time.sleep(length_s)
    return Window(start_s, agent.clock_s())


def _host_minus_device_s(agent: AgentSession) -> float:
    """Difference of the two monotonic clocks, by the quickest of a few questions.

    The device answers somewhere between question and answer; half of that time is the error.
    """
    asked = []
    for _ in range(_PINGS):
        before_s = time.monotonic()
        device_s = agent.clock_s()
        after_s = time.monotonic()
        asked.append((after_s - before_s, (before_s + after_s) / 2 - device_s))
    return min(asked)[1]
