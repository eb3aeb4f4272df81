"""Starts an agent on a device, under the lease of whoever leased it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgeprune.agents.lease_folder import lease_folder
from edgeprune.agents.session import AgentSession
from edgeprune.devices.transports.base import CommandTransport, WorkCount
from edgeprune.errors import AgentRefusal

_WHOSE = (
    "this farm went on without this job, or a farm with a history of its own leases the device "
    "too; let both use one history"
)


def start_agent(
    transport: CommandTransport,
    agent_path: str,
    *,
    loader: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    count_instructions: bool = False,
    idle_s: int | None = None,
    work: WorkCount | None = None,
) -> AgentSession:
    """Starts the agent on a device.

    Args:
        transport: An open transport.
        agent_path: The agent's path on the device.
        loader: Program and arguments to start it through, where the device has no glibc.
        env: Variables to set for it.
        count_instructions: Count instructions, where the transport can.
        idle_s: It ends after that many seconds without a request, 1 to 86400; None leaves that to
            it.
        work: What else is counted, where the transport can; ``env`` is not set for it then.

    Raises:
        DeviceError: It could not be started.
        AgentRefusal: A newer lease has the device.
    """
    argv = [*loader, agent_path, *([] if idle_s is None else [str(idle_s)])]
    if work is None:
        channel = transport.start(argv, env or {}, count_instructions=count_instructions)
    else:
        channel = transport.start_counting(argv, work)
    is_counted = count_instructions or work is not None
    session = AgentSession(channel, transport.where, is_counted=is_counted)
    if transport.device.epoch is not None:
        try:
            session.lease(lease_folder(transport), transport.device.epoch)
        except AgentRefusal as error:
            session.close(0.5)
            raise AgentRefusal(f"{error}: {_WHOSE}", error.words) from error
        except BaseException:
            session.close(0.5)
            raise
    return session
