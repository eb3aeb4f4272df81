"""Devices that are places of a labgrid: they are used while their place is acquired, and no longer.

labgrid is spoken to by its own client, ``labgrid-client``, in an environment of its own: its
libraries do not fit beside ours. Its coordinator's line is plain text, and whoever reaches it may
take any place; so it is reached on this machine, or through SSH. Nobody's place is ever kicked: a
place that somebody else has makes its device busy.

A place outlives whoever acquired it. It is acquired in the name of the plan's farm on this host, so
that what a killed farm left is its own again when it is started again.
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
from collections.abc import AsyncIterator, Callable, Mapping

from edgeprune.errors import ConfigError, DeviceError
from edgeprune.farm.executor import Assignment, Ending, Executor, Prober, Sign
from edgeprune.farm.inventory import FarmDevice
from edgeprune.farm.job import ErrorKind
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

    def __init__(self, farm: str) -> None:
        """Nothing is asked yet.

        Args:
            farm: What no other farm is called: the plan's name with where its history is.

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
        digest = hashlib.sha256(f"{os.getuid()} {farm}".encode()).hexdigest()[:8]
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


class Places:
    """The places of a plan's devices, around what runs jobs and what asks devices."""

    def __init__(
        self, client: Client, devices: Mapping[str, FarmDevice], trouble: Callable[[str], None]
    ) -> None:
        """Nothing is acquired yet.

        Args:
            client: Asks labgrid.
            devices: All devices, by name.
            trouble: Takes a line about a place that could not be released.
        """
        self._client, self._trouble = client, trouble
        self._places = {
            name: one.device.labgrid_place
            for name, one in devices.items()
            if one.device.labgrid_place is not None
        }
        self._locks = {place: asyncio.Lock() for place in self._places.values()}

    def place_of(self, device: str) -> str | None:
        """A device's place, or None."""
        return self._places.get(device)

    @contextlib.asynccontextmanager
    async def held(self, place: str) -> AsyncIterator[None]:
        """Has a place inside the ``async with`` block; raises as :meth:`Client.acquire`.

        One of this process after the other: what asks a device must not release what a job has.
        """
        async with self._locks[place]:
            try:
                await self._client.acquire(place)
            except asyncio.CancelledError:  # it may have come to pass
                await self._release(place)
                raise
            try:
                yield
            finally:
                await self._release(place)

    async def release_all(self) -> None:
        """At the end of a night: what an earlier, killed one left goes too."""
        for place in self._locks:
            await self._release(place)

    async def _release(self, place: str) -> None:
        try:
            await self._client.release(place)
        except (ConfigError, DeviceError) as error:
            self._trouble(str(error))


class PlaceExecutor:
    """Runs jobs while the device's place is ours; see :class:`edgeprune.farm.executor.Executor`."""

    def __init__(self, inner: Executor, places: Places) -> None:
        """``inner`` runs the jobs."""
        self._inner, self._places = inner, places

    async def run(self, assignment: Assignment) -> Ending:
        """Runs one attempt to its end."""
        place = self._places.place_of(assignment.lease.device)
        if place is None:
            return await self._inner.run(assignment)
        try:
            async with self._places.held(place):
                return await self._inner.run(assignment)
        except PlaceHeldError as error:
            return Ending(message=one_line(error), is_busy=True)
        except ConfigError as error:
            return Ending(None, ErrorKind.CONFIGURATION, one_line(error))
        except DeviceError as error:
            return Ending(None, ErrorKind.INFRASTRUCTURE, one_line(error), is_hosts=True)


class PlaceProber:
    """Asks devices while their place is ours; see :class:`edgeprune.farm.executor.Prober`."""

    def __init__(self, inner: Prober, places: Places) -> None:
        """``inner`` asks the devices."""
        self._inner, self._places = inner, places

    async def probe(self, device: str, timeout_s: float) -> Sign:
        """Asks once; a place that is not to be had is no reason to switch a device off."""
        place = self._places.place_of(device)
        if place is None:
            return await self._inner.probe(device, timeout_s)
        try:
            async with self._places.held(place):
                return await self._inner.probe(device, timeout_s)
        except (ConfigError, DeviceError) as error:
            return Sign(False, one_line(error), is_miss=False)

    async def power_cycle(self, device: str, timeout_s: float) -> str:
        """Runs the device's command while its place is ours."""
        place = self._places.place_of(device)
        if place is None:
            return await self._inner.power_cycle(device, timeout_s)
        try:
            async with self._places.held(place):
                return await self._inner.power_cycle(device, timeout_s)
        except (ConfigError, DeviceError) as error:
            return f"its power was not cycled: {one_line(error)}"


def places_of(
    devices: Mapping[str, FarmDevice], farm: str, trouble: Callable[[str], None]
) -> Places | None:
    """The places of a plan's devices; None where no device is a place of labgrid.

    Raises:
        ConfigError: As of :class:`Client`.
    """
    if all(one.device.labgrid_place is None for one in devices.values()):
        return None
    return Places(Client(farm), devices, trouble)


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
