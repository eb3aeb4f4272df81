"""Reads a device's state before, during and after each session, in an agent of its own."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Sequence

from edgeprune.agents.sampler import AgentSampler
from edgeprune.agents.session import AgentSession
from edgeprune.artifacts.measurement import SessionState
from edgeprune.devices.host_clock import HOST_CLOCK, HostClock
from edgeprune.errors import DeviceError
from edgeprune.measure.device_state import Sources, find_sources
from edgeprune.measure.reading import Reading, parse_reading
from edgeprune.measure.starter import Starter
from edgeprune.meters.base import Sampler

FASTEST_S, SLOWEST_S = 0.05, 1.0
"""Between two readings while inferences run; ten files cost some 0.2 ms. Source: ours."""

AWAKE_S = 30.0
"""An agent that nobody asks anything ends after 300 s; a stretch of energy may take 240 s."""


class Watch:
    """Takes the readings around sessions; a failure of it ends no session.

    Args:
        agent: Times nothing.
        sources: What to read.
        sampler: Reads them; the agent's own sampling if None.
        clock: This machine's.
    """

    def __init__(
        self,
        agent: AgentSession,
        sources: Sources,
        sampler: Sampler | None = None,
        clock: HostClock = HOST_CLOCK,
    ) -> None:
        self._agent = agent
        self._sources = sources
        self._sampler = sampler or AgentSampler(agent)
        self._clock = clock
        self._pid = 0
        self._before: Reading | None = None
        self._failure = ""
        self._asked_s = 0.0
        self._has_command = False

    def begin(self, pid: int, planned_s: float, *, may_command: bool = True) -> None:
        """Before the inferences of a session: reads once, then at a low rate.

        Args:
            pid: The agent that will time.
            planned_s: Seconds of inferences planned.
            may_command: Whether commands may run beside them; files are always read.
        """
        self._pid, self._failure = pid, ""
        # A command is a process or two: only where there is room for it beside the inferences.
        self._has_command = may_command and planned_s >= 2 * SLOWEST_S
        try:
            self._before = self.read()
            period_s = min(max(planned_s / 4, FASTEST_S), SLOWEST_S)
            self._start(period_s, with_command=self._has_command)
        except DeviceError as error:
            self._failure = str(error)

    def end(self, begin_s: float, end_s: float) -> SessionState:
        """After them: what all the readings say.

        Args:
            begin_s: The device's clock before the timed inferences.
            end_s: It behind them.
        """
        try:
            if self._failure or self._before is None:
                raise DeviceError(self._failure or "no reading before the session")
            during = self._stop(with_command=self._has_command)
            after = self.read()
        except DeviceError as error:
            return SessionState(not_read=(f"the whole state: {error}",))
        inside = [one for one in during if begin_s <= one.time_s <= end_s]
        return state_of(self._before, inside, after, self._sources)

    def keep_awake(self) -> None:
        """Asks the agent something now and then."""
        if self._clock.now_s() - self._asked_s > AWAKE_S:
            self._asked_s = self._clock.now_s()
            try:
                self._agent.clock_s()
            except DeviceError as error:
                self._failure = self._failure or str(error)

    def read(self) -> Reading:
        """One reading, now.

        Raises:
            DeviceError: The agent failed.
        """
        self._start(SLOWEST_S, with_command=True)
        return self._stop(with_command=True)[0]

    def _start(self, period_s: float, *, with_command: bool) -> None:
        self._asked_s = self._clock.now_s()
        command = self._sources.command if with_command else ""
        self._sampler.start(self._sources.files(self._pid), command, period_s)

    def _stop(self, *, with_command: bool) -> list[Reading]:
        rows = self._sampler.stop()
        if not rows:
            raise DeviceError("the agent took no sample of the device's state")
        return [parse_reading(row, self._sources) for row in rows]


@contextlib.contextmanager
def watching(starter: Starter, cpus: Sequence[int], notes: list[str]) -> Iterator[Watch | None]:
    """An agent that reads the device's state; None, with a note, where it cannot."""
    with contextlib.ExitStack() as stack:
        watch = None
        try:
            sources = find_sources(starter.transport, cpus)
            watch = Watch(stack.enter_context(starter.agent()), sources, clock=starter.clock)
            watch.read()
        except DeviceError as error:
            watch = None
            notes.append(f"the device's state was not read: {error}")
        yield watch


def state_of(
    before: Reading, during: Sequence[Reading], after: Reading, sources: Sources
) -> SessionState:
    """The readings around one session as figures.

    Args:
        before: Before the inferences.
        during: While they ran; may be empty for a short session.
        after: After them.
        sources: What was read.
    """
    clocks = [one.frequency_hz for one in during if one.frequency_hz is not None]
    hot = [one.temperature_c for one in (*during, after) if one.temperature_c is not None]
    bits = [one.throttle_bits for one in (*during, after) if one.throttle_bits is not None]
    status = [one.thermal_status for one in (*during, after) if one.thermal_status is not None]
    window_s = after.time_s - before.time_s
    seen = 0
    for one in bits:
        seen |= one
    return SessionState(
        temperature_before_c=before.temperature_c,
        temperature_highest_c=max(hot, default=None),
        temperature_after_c=after.temperature_c,
        frequency_hz=statistics.median(clocks) if clocks else None,
        frequency_lowest_hz=min(clocks, default=None),
        pinned_hz=before.limit_hz if sources.is_pinned else None,
        governor=sources.governor,
        throttle_bits_before=before.throttle_bits,
        throttle_bits_seen=seen if bits else None,
        thermal_status_before=before.thermal_status,
        thermal_status_highest=max(status, default=None),
        wait_share=_share(before.waited_s, after.waited_s, window_s),
        other_share=_others(before, after, window_s),
        stolen_share=_share(before.stolen_s, after.stolen_s, window_s * max(after.cores, 1)),
        load_1min=before.load_1min,
        battery_percent=before.battery_percent,
        on_mains=before.on_mains,
        readings=len(during),
        not_read=_not_read(before, bool(clocks), sources),
    )


def _not_read(before: Reading, has_clocks: bool, sources: Sources) -> tuple[str, ...]:
    """What the device has no source for, and which sources said nothing."""
    silent = {
        "clock: the session was too short to read it while inferences ran": bool(sources.clocks)
        and not has_clocks,
        "throttling bits: vcgencmd gave none": sources.has_throttle_bits
        and before.throttle_bits is None,
        "thermal status: dumpsys gave none": sources.is_android and before.thermal_status is None,
        "waiting for a core: the kernel has no /proc/PID/schedstat": before.waited_s is None,
        "CPU time of others: /proc/stat cannot be read": before.busy_s is None,
    }
    return (*sources.missing, *(line for line, is_silent in silent.items() if is_silent))


def _share(before: float | None, after: float | None, of_s: float) -> float | None:
    if before is None or after is None or of_s <= 0:
        return None
    return max(0.0, (after - before) / of_s)


def _others(before: Reading, after: Reading, window_s: float) -> float | None:
    """CPU time of all but the agent, per used core."""
    busy = _share(before.busy_s, after.busy_s, window_s * max(after.cores, 1))
    own = _share(before.own_s, after.own_s, window_s * max(after.cores, 1))
    return None if busy is None or own is None else max(0.0, busy - own)
