"""labgrid, which reserves a lab's devices as places: spoken to by its own ``labgrid-client``.

That is in an environment of its own, since its libraries do not fit beside ours. The coordinator's
line is plain text, and whoever reaches it may take any place; so it is reached on this machine, or
through SSH. Nobody's place is ever kicked.

A place outlives whoever acquired it. It is acquired in the name of this host's data folder, so that
what was killed here has it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import os
import re
import shutil
import signal
import socket

from edgeprune.errors import ConfigError, DeviceError
from edgeprune.files import paths
from edgeprune.text.untrusted import one_line

TIMEOUT_S = 30.0
"""For one command of the client. Source: ours; it takes half a second."""

_ACQUIRED = re.compile(r"^  acquired: (.+)$", re.MULTILINE)
_SET_BY_US = ("LG_ENV", "LG_PLACE", "LG_STATE", "LG_INITIAL_STATE")
"""What would make the client act on something else than the place that is named."""


class PlaceHeldError(DeviceError):
    """Somebody else has the place."""


class Client:
    """labgrid's client, a command at a time."""

    def __init__(self) -> None:
        """Nothing is asked yet.

        Raises:
            ConfigError: It is not installed, or the coordinator would be reached in plain text.
        """
        program = shutil.which("labgrid-client")
        if program is None:
            raise ConfigError(
                "the bench file names places of labgrid, and labgrid-client is not installed: "
                "pipx install labgrid"
            )
        coordinator = os.environ.get("LG_COORDINATOR", "127.0.0.1")
        if not os.environ.get("LG_PROXY") and not _is_here(coordinator):
            raise ConfigError(
                f"LG_COORDINATOR={coordinator}: labgrid speaks to it in plain text, and believes "
                "whatever comes: name a host to go through by SSH in LG_PROXY, or a tunnel's end "
                "on this machine"
            )
        self._program, self._host = program, socket.gethostname()
        whose = f"{os.getuid()} {paths.data_folder().absolute()}"
        digest = hashlib.sha256(whose.encode()).hexdigest()[:8]
        self._user = f"edgeprune-{digest}"

    @property
    def me(self) -> str:
        """As whom places are acquired."""
        return f"{self._host}/{self._user}"

    async def acquire(self, place: str) -> None:
        """Acquires a place; one that a killed run of ours still has is ours.

        Raises:
            PlaceHeldError: Somebody else has it.
            ConfigError: There is no such place.
            DeviceError: The coordinator does not answer, or refuses.
        """
        code, told = await self._run(place, "acquire")
        if code == 0:
            return
        holder = await self.holder(place)
        if holder == self.me:
            return
        if holder is not None:
            raise PlaceHeldError(f"{holder} has its place in labgrid, {place}")
        if "reserved" in told or "already acquired" in told:  # which is over meanwhile, or nearly
            raise PlaceHeldError(f"somebody has its place in labgrid, {place}: {told}")
        raise DeviceError(f"labgrid did not give the place {place}: {told}")

    async def holder(self, place: str) -> str | None:
        """Who has a place, as ``host/user``; None where nobody has.

        Raises:
            ConfigError: There is no such place.
            DeviceError: The coordinator does not answer.
        """
        code, told = await self._run(place, "show")
        found = _ACQUIRED.search(told)
        if code == 0 and found is not None:
            return None if found[1] == "None" else one_line(found[1])
        if "matches nothing" in told:
            raise ConfigError(f"labgrid has no place {place}: see `labgrid-client places`")
        raise DeviceError(f"labgrid does not say who has the place {place}: {_last(told)}")

    async def release(self, place: str) -> None:
        """Releases a place if it is ours, and otherwise does nothing.

        Raises:
            ConfigError: There is no such place.
            DeviceError: The coordinator does not answer.
        """
        code, told = await self._run(place, "release-from", self.me)
        if code != 0 and await self.holder(place) == self.me:
            raise DeviceError(f"labgrid did not take the place {place} back: {_last(told)}")

    async def _run(self, place: str, *words: str) -> tuple[int, str]:
        """Exit code, and what was said on both outputs."""
        env = {key: value for key, value in os.environ.items() if key not in _SET_BY_US}
        env |= {"LG_USERNAME": self._user, "LG_HOSTNAME": self._host}
        try:
            client = await asyncio.create_subprocess_exec(
                self._program,
                "-p",
                place,
                *words,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(f"{self._program}: {error.strerror}") from error
        try:
            async with asyncio.timeout(TIMEOUT_S):
                out, err = await client.communicate()
        except TimeoutError:
            raise DeviceError(
                f"labgrid-client did not end within {TIMEOUT_S:g} s: does the coordinator answer?"
            ) from None
        finally:
            if client.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(client.pid, signal.SIGKILL)
                await client.wait()
        told = out.decode("utf-8", "replace") + err.decode("utf-8", "replace")
        return client.returncode or 0, told if words == ("show",) else _last(told)


def _is_here(coordinator: str) -> bool:
    """Whether an address, ``host[:port]``, is this machine's own."""
    host = coordinator
    if coordinator.startswith("["):
        host = coordinator[1:].partition("]")[0]
    elif coordinator.count(":") == 1:
        host = coordinator.partition(":")[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _last(text: str) -> str:
    """The last line that says something."""
    return one_line(text.strip().rpartition("\n")[2])
