"""What starts one agent process after another on one device."""

from __future__ import annotations

from typing import Protocol

from edgeprune.agents.session import AgentSession
from edgeprune.devices.host_clock import HostClock
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.recipe.run_table import RunTable


class Starter(Protocol):
    """Starts agents on one device, and loads variants into them.

    Attributes:
        transport: The open way to the device.
        table: How often and how long is measured.
        timeout_s: How long one answer may take beside what is timed.
        cpus: Cores that the agents are pinned to; empty leaves them free.
        clock: By which this machine waits.
    """

    transport: CommandTransport
    table: RunTable
    timeout_s: float
    cpus: tuple[int, ...]
    clock: HostClock

    def agent(self) -> AgentSession:
        """A fresh agent."""

    def load(self, agent: AgentSession, name: str) -> int:
        """Loads a variant; nanoseconds that it took."""
