"""One run at a time on a device: a lock that an agent of its own holds there.

It is the kernel's lock, and ends with that agent: when the block ends, when this host dies, or when
the agent hears nothing from it for a minute. So there is no stale lock, and nothing to clear up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from edgeprune.agents.lease_folder import FOLDER_VARIABLE
from edgeprune.agents.session import AgentSession
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import AgentRefusal, DeviceError
from edgeprune.measure.standing_agent import StandingAgent
from edgeprune.progress import Progress
from edgeprune.text.holder import holder_line, shown_holder

WAIT_S = 3600.0
"""How long a run waits for its device if the user names no time. Source: ours."""

_POLL_S = 0.5


@dataclass(frozen=True)
class Claim:
    """How a run asks for a device.

    Attributes:
        command: What the user started, for others to read who wait.
        wait_s: How long to wait for others; 0 does not.
    """

    command: str
    wait_s: float = WAIT_S


class DeviceLock:
    """Keeps other runs off a device for as long as its ``with`` block runs.

    Emulated devices are not locked: they measure instructions, which others do not change.
    """

    def __init__(
        self, transport: CommandTransport, agent_path: str, claim: Claim, progress: Progress
    ) -> None:
        """Nothing happens before the ``with`` block.

        Args:
            transport: The open way to the device.
            agent_path: The agent's path there.
            claim: Who asks.
            progress: Told who is waited for.
        """
        self._transport, self._agent_path = transport, agent_path
        self._claim, self._progress = claim, progress
        self._agent: StandingAgent | None = None

    def __enter__(self) -> DeviceLock:
        """Waits for the device, and takes it.

        Raises:
            DeviceError: Another run has it for longer than was to be waited, or the way broke.
        """
        if self._transport.emulated:
            return self
        self._agent = StandingAgent(self._transport, self._agent_path)
        try:
            self._take(self._agent.session)
        except AgentRefusal as error:
            self._progress.warn(f"the device is not locked, so that runs may overlap: {error}")
        except BaseException:
            self._agent.session.close(0.5)
            raise
        self._agent.ping()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._agent is None:
            return
        self._agent.stop()
        lost = self._agent.lost
        if lost and error is None:
            self._progress.warn(
                f"the lock of the device was lost, so that another run may have overlapped with "
                f"this one: {lost}"
            )
        with suppress(DeviceError):
            self._agent.session.close(0.5 if error is not None or lost else 5.0)

    def _take(self, agent: AgentSession) -> None:
        shares_files = self._transport.shares_files
        folder = os.environ.get(FOLDER_VARIABLE, "") if shares_files else ""
        device = "this machine" if shares_files else self._transport.where

        def taken() -> str | None:
            return agent.lock(folder, holder_line(self._claim.command))

        wait_for_turn(taken, device, self._claim, self._progress)


def wait_for_turn(
    taken: Callable[[], str | None], device: str, claim: Claim, progress: Progress
) -> None:
    """Waits until a device is ours.

    Args:
        taken: Tries to take it; who has it, where that is another run, else None.
        device: What it is called.
        claim: How long to wait.
        progress: Told who is waited for.

    Raises:
        DeviceError: Another run has it for longer.
    """
    end_s = time.monotonic() + claim.wait_s
    waited_for = None
    while (others := taken()) is not None:
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            raise DeviceError(
                f"{device} is in use by {shown_holder(others)}; wait with --wait 10m, or come back"
            )
        if others != waited_for:
            waited_for = others
            progress.note(
                f"waiting for {device}, for {_duration(left_s)} at most: in use by "
                f"{shown_holder(others)}"
            )
        time.sleep(min(_POLL_S, left_s))


def _duration(seconds: float) -> str:
    """A time in the largest unit that leaves at least 2.

    >>> _duration(90), _duration(600), _duration(7200)
    ('90 s', '10 min', '2 h')
    """
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
