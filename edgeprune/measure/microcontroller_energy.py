"""Energy of plans on a real microcontroller, by a meter in its supply line.

As on other devices: idle, inferences, idle, with the meter's record over all of it. The firmware
answers after at most some hundreds of inferences, so that the window has short pauses, in which it
polls its line; what an inference takes is the window's mean power times its own clock's latency.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeprune.agents.firmware.session import RUN_S, FirmwareSession
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.host_clock import HOST_CLOCK, HostClock
from edgeprune.energy.net import Energy, NoEnergy, Window, whole_energy
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.firmware.facts import facts_of
from edgeprune.measure.energy_windows import SETTLE_S, stretches_s, takes_s, too_slow
from edgeprune.measure.find_meter import NoSampler, first_meter
from edgeprune.meters.base import Meter
from edgeprune.progress import counted
from edgeprune.recipe.run_table import RunTable
from edgeprune.text.untrusted import one_line

_LOOP_S = 5.0
"""Inferences that are asked for at once take about so long at most. Source: ours."""


def measure_energy(
    talk: FirmwareSession,
    plans: Mapping[str, bytes],
    tick_hz: int,
    plan: EnergyPlan,
    table: RunTable,
    say: Callable[[str], None],
    clock: HostClock = HOST_CLOCK,
) -> dict[str, Energy | NoEnergy]:
    """Energy of every plan, or why it is not known; a meter's failure ends no run.

    Args:
        talk: To the firmware.
        plans: By variant.
        tick_hz: How often the firmware's clock counts in a second, above 0.
        plan: What is to measure.
        table: How long.
        say: Takes a line of progress.
        clock: This machine's.
    """
    if not plan.meters:
        return dict.fromkeys(plans, NoEnergy(plan.missing))
    found: dict[str, Energy | NoEnergy] = {}
    try:
        with first_meter(plan, None, NoSampler(), clock) as meter:
            pass_ = _Pass(talk, meter, tick_hz, plan, table, clock)
            each_s = takes_s(table, meter)
            talk.hello()
            for number, (name, data) in enumerate(plans.items()):
                line = f"{name}: energy by {meter.site.table.use}"
                say(line)
                counted(number, len(plans), line, left_s=each_s * (len(plans) - number))
                found[name] = pass_.measured(data)
    except (ConfigError, DeviceError) as error:
        reason = NoEnergy(one_line(error, 300))
        return {name: found.get(name, reason) for name in plans}
    return found


@dataclass(frozen=True)
class _Pass:
    """All that the windows of one run share."""

    talk: FirmwareSession
    meter: Meter
    tick_hz: int
    plan: EnergyPlan
    table: RunTable
    clock: HostClock

    def measured(self, data: bytes) -> Energy | NoEnergy:
        """One plan's energy."""
        slow = too_slow(self.meter)
        if slow is not None:
            return slow
        idle_s, window_s = stretches_s(self.table, self.meter)
        self.talk.store(data)
        self.talk.load(facts_of(data))
        latency_s = self._latency_s()
        self.meter.start()
        before = self._idle(idle_s)
        inferring = self._inferring(window_s, latency_s)
        after = self._idle(idle_s)
        self.clock.sleep(SETTLE_S)
        try:
            trace = self.meter.stop()
        except DeviceError as error:
            return NoEnergy(str(error))
        return whole_energy(trace, before, inferring, after, latency_s, self.plan.grid)

    def _latency_s(self) -> float:
        """How long an inference takes, warm, by the firmware's clock.

        Raises:
            DeviceError: That stands still.
        """
        ticks = self.talk.loop(2, 2 * RUN_S)
        if ticks == 0:
            raise DeviceError("the firmware's clock stood still: its port's ep_port_ticks is wrong")
        return ticks / self.tick_hz

    def _idle(self, length_s: float) -> Window:
        """A stretch without a word, once the board has settled."""
        self.clock.sleep(SETTLE_S)
        start_s = self.clock.now_s()
        self.clock.sleep(length_s)
        return Window(start_s, self.clock.now_s())

    def _inferring(self, length_s: float, latency_s: float) -> Window:
        """A stretch of inferences, without its first and last second, which the meter may blur."""
        runs = max(1, min(self.talk.most_runs, int(_LOOP_S / latency_s)))
        start_s = self.clock.now_s() + SETTLE_S
        while self.clock.now_s() < start_s + length_s + SETTLE_S:
            self.talk.loop(runs, runs * latency_s)
        return Window(start_s, start_s + length_s)
