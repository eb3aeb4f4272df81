"""Devices that are places of a labgrid: they are used while their place is acquired, and no longer.

A place that somebody else has makes its device busy. What a killed farm left is its own again: the
first question to the device acquires its place, and releases it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import BinaryIO

from edgeprune.devices.links.labgrid import Client, PlaceHeldError
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.farm.executor import Assignment, Ending, Executor, Prober, Sign
from edgeprune.farm.inventory import FarmDevice
from edgeprune.farm.job import ErrorKind
from edgeprune.files import paths
from edgeprune.text.untrusted import one_line

ALONE_S = 120.0
"""How long a job waits for what asks its device. Source: ours; a question takes 40 s at most."""


class Places:
    """The places of a bench's devices, around what runs jobs and what asks devices."""

    def __init__(
        self, client: Client, places: Mapping[str, str], trouble: Callable[[str], None]
    ) -> None:
        """Nothing is acquired yet.

        Args:
            client: Asks labgrid.
            places: Each device's place, of those that are one.
            trouble: Takes a line about a place that could not be released.
        """
        self._client, self._places, self._trouble = client, places, trouble

    def place_of(self, device: str) -> str | None:
        """A device's place, or None."""
        return self._places.get(device)

    @contextlib.asynccontextmanager
    async def held(self, place: str) -> AsyncIterator[None]:
        """Has a place inside the ``async with`` block; raises as :meth:`Client.acquire`."""
        async with _alone(place):
            try:
                await self._client.acquire(place)
            except asyncio.CancelledError:  # it may have come to pass
                await self._release(place)
                raise
            try:
                yield
            finally:
                await self._release(place)

    async def _release(self, place: str) -> None:
        try:
            await self._client.release(place)
        except (ConfigError, DeviceError) as error:
            self._trouble(str(error))


@contextlib.asynccontextmanager
async def _alone(place: str) -> AsyncIterator[None]:
    """One after the other on this host: who asks a device must not release what a job has.

    Raises:
        PlaceHeldError: Another one of this farm has it for longer than a question takes.
        DeviceError: The data folder cannot be written.
    """
    folder = paths.data_folder() / "labgrid"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{place}.lock").open("wb")
    except OSError as error:
        raise DeviceError(f"{folder} cannot be written: {error.strerror}") from error
    with lock:
        try:
            async with asyncio.timeout(ALONE_S):
                while not _is_locked(lock):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise PlaceHeldError(f"another job of this farm has {place}, its place") from None
        yield  # closing the file ends the lock, as the end of this process does


def _is_locked(file: BinaryIO) -> bool:
    """Whether a file could be locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
            return Ending(message=one_line(error))  # the job waits, and that counts for nothing
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


def with_places(
    executor: Executor, devices: Mapping[str, FarmDevice], trouble: Callable[[str], None]
) -> Executor:
    """What runs jobs, around which places are acquired; itself where no device is one.

    Raises:
        ConfigError: As of :class:`Client`.
    """
    places = _places_of(devices, trouble)
    return executor if places is None else PlaceExecutor(executor, places)


def asked_with_places(
    prober: Prober, devices: Mapping[str, FarmDevice], trouble: Callable[[str], None]
) -> Prober:
    """What asks devices, likewise.

    Raises:
        ConfigError: As of :class:`Client`.
    """
    places = _places_of(devices, trouble)
    return prober if places is None else PlaceProber(prober, places)


def _places_of(devices: Mapping[str, FarmDevice], trouble: Callable[[str], None]) -> Places | None:
    """The places of devices; None where there is none."""
    places = {
        name: one.device.labgrid_place
        for name, one in devices.items()
        if one.device.labgrid_place is not None
    }
    return Places(Client(), places, trouble) if places else None
