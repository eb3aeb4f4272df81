"""The clock pinned while a device is measured, by an agent of its own that restores it.

The agent's watchdog on the device does the restoring, so that neither a killed host nor a cut cable
leaves a device with a governor that its owner did not choose (device_agents/PROTOCOL.md).
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from types import TracebackType

from edgeprune.agents.session import AgentSession
from edgeprune.artifacts.measurement import Pinning
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import AgentRefusal, DeviceError
from edgeprune.measure.standing_agent import StandingAgent
from edgeprune.text.untrusted import device_says

_RESTORE_TIMEOUT_S, _RESTORE_POLL_S = 3.0, 0.1

_LOOK = (
    "for file in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do "
    '[ -r "$file" ] && echo "$file=$(cat "$file")"; done; true'
)
_GOVERNORS = re.compile(
    r"^(/sys/devices/system/cpu/cpu([0-9]{1,4})/cpufreq/scaling_governor)=([A-Za-z0-9_]{1,31})$",
    re.MULTILINE | re.ASCII,
)
_LOOK_TIMEOUT_S = 20.0
_MODE = "fixed_performance_mode"


class HeldGovernor:
    """Pins the clock of a device for as long as its ``with`` block runs, where that is possible.

    Where it is not, the block runs all the same, and :attr:`pinning` says why.

    Attributes:
        pinning: What is held; after the block also what became of it.
    """

    def __init__(
        self,
        transport: CommandTransport,
        agent_path: str,
        wanted: str,
        cpus: tuple[int, ...],
        say: Callable[[str], None],
    ) -> None:
        """Nothing happens before the ``with`` block.

        Args:
            transport: The open way to the device.
            agent_path: The agent's path there.
            wanted: A value of the recipe's key ``governor``.
            cpus: Cores that the timed agents are pinned to.
            say: Takes a line of progress.
        """
        if wanted == "auto":  # what shares files with us is our user's own machine
            wanted = "keep" if transport.shares_files else "performance"
        self.pinning = Pinning(cpus, wanted, (), ())
        self._transport, self._agent_path, self._say = transport, agent_path, say
        self._agent: StandingAgent | None = None
        self._before: dict[str, str] = {}
        self._is_given_up = False

    def __enter__(self) -> HeldGovernor:
        """Looks, and holds what can be held.

        Raises:
            DeviceError: The way to the device broke.
        """
        self._before = self._governors()
        names = tuple(dict.fromkeys(self._before.values()))
        self._change(governors=names, governors_before=names)
        if self.pinning.asked == "performance":
            self._agent = StandingAgent(self._transport, self._agent_path)
            try:
                self._hold(self._agent)
            except BaseException:
                self._agent.session.close(0.5)
                raise
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
        if error is not None or self._is_given_up:
            self._agent.session.close(0.5)  # once its input has closed, its watchdog restores
        elif self.pinning.restored is not None:
            self._release(self._agent.session)

    def give_up(self) -> None:
        """Leaves the restoring to the agent's watchdog: the way to the device failed."""
        self._is_given_up = True
        if self.pinning.restored is not None:
            self._change(
                reason="the connection to the device failed; its agent restores what was set"
            )

    def _hold(self, standing: StandingAgent) -> None:
        """Holds the governors, or on a phone its mode, or says why not."""
        agent = standing.session
        reason = "the device has no cpufreq governor that can be read"
        if self._before:
            reason = _refusal(agent, dict.fromkeys(self._before, "performance"))
            if not reason:  # not as before until it is known to be
                self._change(governors=("performance",), restored=False)
                standing.ping()
                return
            reason += f" (governor is {_names(self._before)})"
        no_mode = "it is no phone"
        if self._transport.board.kind == "android":
            no_mode = _refusal(agent, {_MODE: "true"})
            reason += f"; {_MODE} not set: {no_mode}" if no_mode else f"; {_MODE} set instead"
        self._change(reason=f"governor not set: {reason}")
        self._say(str(self.pinning.reason))
        if no_mode:
            agent.close()
        else:
            self._change(fixed_performance_mode=True, restored=False)
            standing.ping()

    def _release(self, agent: AgentSession) -> None:
        """Restores, and looks whether all is as before; a fault here costs no measurement."""
        try:
            faults = [f"not restored: {line}" for line in agent.release()]
            is_restored = not faults
        except DeviceError as error:
            faults = [f"the clock was not pinned to the end: {error}"]
            is_restored = not self.pinning.fixed_performance_mode  # which cannot be asked
        agent.close()
        try:
            now = self._governors_at_last()
            is_restored = is_restored and now == self._before
            self._change(restored=is_restored)
            if not is_restored:
                faults.append(f"governor is {_names(now)}")
        except DeviceError as error:
            faults.append(f"whether the governor is as before is not known: {error}")
        if faults:
            self._change(reason="; ".join(faults))
            self._say(str(self.pinning.reason))

    def _governors_at_last(self) -> dict[str, str]:
        """Governors once they are as before, or after a while: a lost agent's watchdog may run."""
        end_s = time.monotonic() + _RESTORE_TIMEOUT_S
        while (now := self._governors()) != self._before and time.monotonic() < end_s:
            time.sleep(_RESTORE_POLL_S)
        return now

    def _governors(self) -> dict[str, str]:
        """Governors by file, in order of cores."""
        listed = self._transport.run(["sh", "-c", _LOOK], _LOOK_TIMEOUT_S)
        lines = _GOVERNORS.findall(listed.stdout)
        return {path: name for path, _, name in sorted(lines, key=lambda line: int(line[1]))}

    def _change(self, **changes: object) -> None:
        self.pinning = dataclasses.replace(self.pinning, **changes)  # type: ignore[arg-type]


def _names(governors: dict[str, str]) -> str:
    """Each governor once, in order of cores."""
    return ", ".join(dict.fromkeys(governors.values())) or "none that can be read"


def _refusal(agent: AgentSession, settings: dict[str, str]) -> str:
    """Holds settings; why they are not held, or nothing."""
    try:
        agent.hold(settings)
    except AgentRefusal as error:
        denied = "Permission denied" in error.words
        return "permission denied" if denied else device_says(error.words)
    except DeviceError as error:
        return str(error)
    return ""
