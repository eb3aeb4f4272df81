"""A device in simulated time: its power, load and heat are values, and nothing waits.

What :mod:`live_power` does with real agents and real clocks, told exactly: the energy pass runs
unchanged on it, with the real meters, rules and readings.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from edgeprune.agents.answers import Hello, Timing
from edgeprune.devices.host_clock import HostClock
from edgeprune.errors import DeviceError
from edgeprune.meters.base import Row

IDLE_W, LOAD_W = 2.0, 5.0
LATENCY_S = 1e-3
LOG_PERIOD_S = 0.01
PID = 4711
UNIX_0_S = 1_800_000_000.0
TICKS_PER_S = 100
SILENCE_S = 300.0
"""An agent that nobody asks anything for so long has ended. Source: PROTOCOL.md."""


class Clock(HostClock):
    """A clock that goes on only where somebody waits; ``passing`` are told of each stretch."""

    def __init__(self):
        self.at_s = 1000.0
        self.passing = []

    def now_s(self):
        return self.at_s

    def unix_s(self):
        return UNIX_0_S + self.at_s

    def sleep(self, seconds):
        before_s, self.at_s = self.at_s, self.at_s + seconds
        for tell in self.passing:
            tell(before_s, self.at_s)


class Device:
    """What happens on the device, by its own clock, which is ``ahead_s`` ahead of the host's.

    Attributes:
        inferring: Stretches (start_s, end_s) in which it inferred.
        neighbour: Share of its core that another process takes while it infers.
        clock_hz: Of the core, at its limit of 1.8 GHz or below.
        temperature_c: Now.
        commands: All that were run on it, with the moment.
        late_s: How late each next answer on the clock arrives; none of them, once it is empty.
    """

    def __init__(self, ahead_s=-700.0):
        self.clock, self.ahead_s = Clock(), ahead_s
        self.inferring = []
        self.waited_s = self.own_s = 0.0
        self.neighbour = 0.0
        self.clock_hz, self.temperature_c = 1.8e9, 50.0
        self.commands = []
        self.late_s = []
        self._own_files = {}

    def now_s(self):
        return self.clock.at_s + self.ahead_s

    def power_w(self, at_s):
        return LOAD_W if any(start <= at_s < end for start, end in self.inferring) else IDLE_W

    def infer(self, seconds):
        """Inferences of :data:`LATENCY_S` for so long; a neighbour makes each of them longer."""
        begin_s, latency_s = self.now_s(), LATENCY_S / (1 - self.neighbour)
        count = max(1, round(seconds / latency_s))
        end_s = begin_s + count * latency_s
        self.inferring.append((begin_s, end_s))
        self.clock.sleep(count * latency_s)
        self.waited_s += self.neighbour * (end_s - begin_s)
        self.own_s += (1 - self.neighbour) * (end_s - begin_s)
        begin_ns, latency_ns = round(begin_s * 1e9), round(latency_s * 1e9)
        end_ns = begin_ns + count * latency_ns
        return Timing(begin_ns, end_ns, latency_ns, (latency_ns,) * count, None)

    def text(self, path, at_s):
        """A file's content at a moment; others are this machine's own, as at first."""
        name = path.rpartition("/")[2]
        if name == "curr1_input":
            return str(round(self.power_w(at_s) / 5 * 1000))
        if path == f"/proc/{PID}/schedstat":
            return f"{round(self.own_s * 1e9)} {round(self.waited_s * 1e9)} 7"
        if path == f"/proc/{PID}/stat":
            return f"{PID} (agent) R " + "0 " * 10 + f"{round(self.own_s * TICKS_PER_S)} 0 0 0"
        if path == "/proc/stat":
            busy = round((self.own_s + self.waited_s) * TICKS_PER_S)
            return f"cpu0 {busy} 0 0 0 0 0 0 0 0 0"
        if name in ("scaling_cur_freq", "scaling_max_freq"):
            return str(round((self.clock_hz if "cur" in name else 1.8e9) / 1e3))
        if name == "temp":
            return str(round(self.temperature_c * 1e3))
        if path not in self._own_files:
            file = Path(path)
            self._own_files[path] = file.read_text() if file.is_file() else None
        return self._own_files[path]

    @contextlib.contextmanager
    def ina219(self, folder):
        """An hwmon device; its current is read from the simulated one."""
        device = Path(folder) / "hwmon0"
        device.mkdir()
        files = {"name": "ina219", "in1_input": "5000", "curr1_input": "400"}
        for name, text in files.items():
            (device / name).write_text(text + "\n")
        yield device

    @contextlib.contextmanager
    def csv_log(self, path, clock_error_s=0.0, period_s=LOG_PERIOD_S):
        """A lab meter's program that logs with Unix times, by a clock that is off."""
        with Path(path).open("w") as file:
            file.write("Time (s),Voltage (V),Current (mA)\n")
            written = [round(self.clock.at_s / period_s)]

            def log(_, to_s):
                while written[0] * period_s <= to_s:
                    at_s = written[0] * period_s
                    watts = self.power_w(at_s + self.ahead_s)
                    logged_s = UNIX_0_S + at_s + clock_error_s
                    file.write(f"{logged_s:.4f},5.0,{watts / 5 * 1000:.2f}\n")
                    written[0] += 1
                file.flush()

            self.clock.passing.append(log)
            self.clock.sleep(10 * period_s)  # the log has a few lines before anybody looks
            try:
                yield
            finally:
                self.clock.passing.remove(log)


class Agent:
    """What the energy pass asks of an agent, answered by the device."""

    def __init__(self, device):
        self.device = device
        self._asked = None
        self.timed = []
        self._heard_s = device.now_s()

    def _hear(self):
        if self.device.now_s() - self._heard_s > SILENCE_S:
            raise DeviceError("the agent ended")
        self._heard_s = self.device.now_s()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def hello(self):
        self._hear()
        return Hello("1", "Linux", "aarch64", "Cortex-A72", 4, (), PID)

    def clock_s(self):
        self._hear()
        found_s = self.device.now_s()
        if self.device.late_s:
            self.device.clock.sleep(self.device.late_s.pop(0))
        return found_s

    def time(self, warmup, runs, max_s, timeout_s):
        self._hear()
        assert timeout_s >= max_s + Starter.timeout_s
        timing = self.device.infer(min(max_s, runs * LATENCY_S))
        self._heard_s = self.device.now_s()
        self.timed.append((warmup, runs, max_s))
        return timing

    def sample_start(self, files, command, period_s):
        self._hear()
        device = self.device
        self._asked = (files, command, period_s)
        self._rows, self._next_s = [], device.now_s()
        device.clock.passing.append(self._sample)
        self._sample(0.0, device.clock.at_s)

    def _sample(self, _, until_s):
        """Rows up to a moment of the host's clock."""
        files, command, period_s = self._asked
        while self._next_s <= until_s + self.device.ahead_s:
            texts = [self.device.text(file, self._next_s) for file in files]
            if command:
                self.device.commands.append((self._next_s, command))
            self._rows.append(Row(self._next_s, (*texts, *([""] if command else []))))
            self._next_s += period_s

    def sample_stop(self):
        self._hear()
        self.device.clock.passing.remove(self._sample)
        return self._rows


class Starter:
    """Starts simulated agents; ``transport`` is real, so that real files are found.

    Attributes:
        table: How often and how long is measured.
        loaded: Agent and variant, in the order of loading.
    """

    timeout_s = 60.0

    def __init__(self, device, transport, table, cpus=()):
        self.device, self.transport, self.table, self.cpus = device, transport, table, cpus
        self.clock = device.clock
        self.loaded = []

    def agent(self):
        return Agent(self.device)

    def load(self, agent, name):
        self.loaded.append((agent, name))
        return 1
