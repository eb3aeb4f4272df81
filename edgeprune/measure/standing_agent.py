"""An agent that stands by while others measure, and ends soon after its host is gone."""

from __future__ import annotations

import threading

from edgeprune.agents.session import AgentSession
from edgeprune.agents.start import start_agent
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import DeviceError

IDLE_S = 60
"""A host that is silent for so long is gone: the agent ends, and lets go of what it held."""

PING_S = 15.0
"""How often the host shows that it is there; one short request costs the device some 50 us."""

_PING_TIMEOUT_S = 10.0


class StandingAgent:
    """An agent of its own that holds something on the device.

    Attributes:
        session: Talks to it, before :meth:`ping` and after :meth:`stop`.
        lost: Why it can no longer be reached, or empty.
    """

    def __init__(self, transport: CommandTransport, agent_path: str) -> None:
        """Starts it.

        Raises:
            DeviceError: It could not be started.
        """
        self.session: AgentSession = start_agent(transport, agent_path, idle_s=IDLE_S)
        self.lost = ""
        self._ends = threading.Event()
        self._pinging = threading.Thread(target=self._ping, daemon=True)

    def ping(self) -> None:
        """From now on shows it every now and then that its host is there."""
        self._pinging.start()

    def stop(self) -> None:
        """Ends that; harmless where it was not begun."""
        self._ends.set()
        if self._pinging.ident is not None:
            self._pinging.join()

    def _ping(self) -> None:
        try:
            while not self._ends.wait(PING_S):
                self.session.clock_s(_PING_TIMEOUT_S)
        except DeviceError as error:
            self.lost = str(error)
