"""A simulated sysfs tree, read in virtual time: every sample sees the files of its moment."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from edgeprune.agents import build
from edgeprune.agents.sampler import AgentSampler
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device, MeterTable
from edgeprune.devices.host_clock import HOST_CLOCK
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.energy.net import Window, net_energy
from edgeprune.meters.base import METERS, Row, Sampler, Site

IDLE_BEFORE, INFERRING, IDLE_AFTER = Window(1, 11), Window(12, 22), Window(23, 33)
RECORD_S = 34.0


def square_wave_w(t, idle_w=2.0, load_w=5.0):
    """Power of a device that infers from 12 s to 22 s and is idle otherwise."""
    return np.where((t >= 12) & (t < 22), load_w, idle_w)


def counted_j(t, idle_w=2.0, load_w=5.0):
    """The integral of :func:`square_wave_w` from 0 on."""
    return idle_w * t + (load_w - idle_w) * np.clip(t - 12, 0, 10)


class Tree(Sampler):
    """Files whose content is a function of time; those at time 0 really exist.

    Attributes:
        files: Path below ``folder`` to a text, or to a function of the time in seconds that gives
            one; None stands for a file that cannot be read just then.
        command: Gives the output of the sampled command at a time.
        lost: Windows in which no sample is taken.
    """

    def __init__(self, folder, files, command=None, lost=(), record_s=RECORD_S):
        self.folder = Path(folder)
        self.files = files
        self.command = command
        self.lost = lost
        self.record_s = record_s
        self.asked = None
        for name in files:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(str(self.text(name, 0.0)) + "\n")

    def text(self, name, t):
        content = self.files[name]
        return content(t) if callable(content) else content

    def start(self, files, command, period_s):
        assert all(Path(file).is_file() for file in files)
        self.asked = [str(Path(file).relative_to(self.folder)) for file in files]
        self.period_s = period_s
        self.has_command = bool(command)

    def stop(self):
        rows = []
        for t in np.arange(0, self.record_s, self.period_s):
            if any(start <= t < end for start, end in self.lost):
                continue
            texts = [self.text(name, t) for name in self.asked]
            texts += [self.command(t)] if self.has_command else []
            rows.append(Row(float(t), tuple(None if x is None else str(x) for x in texts)))
        return rows


@contextlib.contextmanager
def opened(name, sampler, folder=None, clock=HOST_CLOCK, **table):
    """A meter on this machine whose files lie in ``folder``."""
    board = load_board("local")
    at = table.pop("at", None if folder is None else str(folder))
    with TRANSPORTS.get("local")(board, Device("local", "local")) as transport:
        site = Site(transport, sampler, MeterTable(name, at=at, **table), clock)
        with METERS.get(name)(site) as meter:
            yield meter


@contextlib.contextmanager
def real_sampler():
    """The agent on this machine as the sampler, and the agent."""
    with TRANSPORTS.get("local")(load_board("local"), Device("local", "local")) as transport:
        with start_agent(transport, str(build.agent("host"))) as agent:
            yield AgentSampler(agent), agent


def traced(name, tree, **table):
    """The meter's whole record of a tree."""
    with opened(name, tree, tree.folder, **table) as meter:
        meter.start()
        return meter.stop()


def energy_of(trace, inferences=1000):
    """What the rules make of a record of the square wave."""
    return net_energy(trace, IDLE_BEFORE, INFERRING, IDLE_AFTER, inferences)


def assert_square_wave(trace, idle_w=2.0, load_w=5.0):
    """Gross, idle and net energy of the square wave, within 1 %."""
    found = energy_of(trace)
    assert abs(found.gross_uj - load_w * 10 / 1000 * 1e6) < 0.01 * load_w * 1e4
    assert abs(found.idle_uj - idle_w * 10 / 1000 * 1e6) < 0.01 * idle_w * 1e4
    assert abs(found.net_uj - (load_w - idle_w) * 1e4) < 0.01 * (load_w - idle_w) * 1e4
    assert found.stable
    return found
