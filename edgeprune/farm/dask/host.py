"""A host of the farm: it tells which devices it has, and keeps a process for each that is there."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeprune.errors import ConfigError, DeviceError, EdgepruneError
from edgeprune.farm.cleaning import clean_older
from edgeprune.farm.dask import calls
from edgeprune.farm.dask.address import Address
from edgeprune.farm.dask.device import Start
from edgeprune.farm.dask.device_processes import DeviceProcesses
from edgeprune.farm.dask.door.settings import quieten
from edgeprune.farm.dask.door.worker import Refused, WorkerSide
from edgeprune.farm.dask.file_cache import FileCache
from edgeprune.farm.dask.host_devices import devices_of, files_folder
from edgeprune.farm.dask.messages import Announced, Piece, Question, hello_of
from edgeprune.farm.dask.reach import reach
from edgeprune.farm.executor import Sign
from edgeprune.farm.inventory import FarmDevice
from edgeprune.farm.labgrid import asked_with_places
from edgeprune.farm.probing import TransportProber
from edgeprune.files import paths
from edgeprune.text.untrusted import one_line

_LOOK_S = 2.0
"""How often the bench file is looked at."""

KEEP_DAYS = 14.0
"""For which folders of attempts, and files that were measured, stay on a host. Source: ours."""

MAX_PAUSE_S = 15.0
"""Longest pause before a farm that is not there is tried again."""


@dataclass(frozen=True)
class HostSettings:
    """Which host this is, and where the farm is.

    Attributes:
        farm: ``HOST:PORT`` of the farm, as the user wrote it.
        address: The same, checked.
        certificates: Folder of this host's certificate, or None.
        name: What this host is called.
        bench: Bench file, or None for the user's own.
    """

    farm: str
    address: Address
    certificates: Path | None
    name: str
    bench: Path | None


class Host:
    """What the farm asks this host; see :class:`edgeprune.farm.dask.calls.Served`."""

    def __init__(self, settings: HostSettings, say: Callable[[str], None]) -> None:
        """Reads the bench file.

        Args:
            settings: Which host this is.
            say: Takes a line for people.

        Raises:
            ConfigError: The bench file is wrong.
        """
        self._settings, self._say = settings, say
        self._cache = FileCache(files_folder())
        self.processes = DeviceProcesses(say)
        self._devices: dict[str, FarmDevice] = {}
        self.read_bench()

    def read_bench(self) -> None:
        """Takes the devices as the bench file has them now.

        Raises:
            ConfigError: It is wrong.
        """
        self._devices, wrong = devices_of(self._settings.bench, self._settings.name)
        self._prober = asked_with_places(TransportProber(self._devices), self._devices, self._say)
        for line in wrong:
            self._say(line)

    @property
    def announced(self) -> tuple[Announced, ...]:
        """What this host has."""
        return tuple(Announced(one.plain, one.board.name) for one in self._devices.values())

    async def answer(self, verb: str, request: bytes, content: bytes) -> bytes:
        """Answers the farm; see :class:`edgeprune.farm.dask.calls.Served`."""
        if verb == "lacking":
            digests = msgspec.json.decode(request, type=list[str])
            lacking = await asyncio.to_thread(self._cache.lacking, digests)
            return msgspec.json.encode(lacking)
        if verb == "take":
            piece = msgspec.json.decode(request, type=Piece)
            try:
                await asyncio.to_thread(self._cache.take, piece, content)
            except DeviceError as error:
                return msgspec.json.encode(one_line(error))
            return b'""'
        question = msgspec.json.decode(request, type=Question)
        if question.device not in self._devices:
            return msgspec.json.encode(Sign(False, f"{question.device} is not on this host"))
        if verb == "probe":
            return msgspec.json.encode(await self._probe(question))
        if verb == "cycle":
            told = await self._prober.power_cycle(question.device, question.timeout_s)
            return msgspec.json.encode(told)
        raise ValueError(f"a host does not know {verb!r}")

    async def run(self, order: bytes) -> bytes:
        """No job runs in a host's own process."""
        raise ValueError("jobs run in the processes of devices")

    async def _probe(self, question: Question) -> Sign:
        """Asks a device; its process comes with it, and goes."""
        sign = await self._prober.probe(question.device, question.timeout_s)
        if self.processes.is_over:
            return Sign(False, "its host is being stopped", is_miss=False)
        if sign.is_online:
            self.processes.start(question.device, self._start(question.device))
        else:
            await self.processes.stop(question.device)
        return sign

    def _start(self, device: str) -> Start:
        given = self._settings
        bench = None if given.bench is None else str(given.bench.absolute())
        folder = None if given.certificates is None else str(given.certificates.absolute())
        return Start(given.farm, folder, given.name, device, bench)


async def serve(settings: HostSettings, say: Callable[[str], None], make: type[Host] = Host) -> int:
    """Serves the farm until it is told to end by SIGINT, SIGTERM or SIGHUP.

    Args:
        settings: Which host this is.
        say: Takes a line for people.
        make: Makes what is served.

    Returns:
        How often it was connected.

    Raises:
        ConfigError: The bench file is wrong from the start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    quieten(say)
    host = make(settings, say)
    calls.serve(host)
    told, pause_s = "", 1.0
    try:
        while not stop.is_set():
            why = await reach(settings.address) or await _connected(host, settings, stop, say)
            if why and why != told:
                say(f"the farm at {settings.farm}: {why}; trying again until it can be used")
            told, pause_s = why, min(2 * pause_s, MAX_PAUSE_S) if why else 1.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await stop.wait()
    finally:
        await host.processes.end()
    return host.processes.connections


async def _connected(
    host: Host, settings: HostSettings, stop: asyncio.Event, say: Callable[[str], None]
) -> str:
    """Serves one connection to its end.

    Returns:
        Why there was none; empty where there was.
    """
    hello = hello_of(settings.name, host.announced)
    folder = str(files_folder().parent / "dask")
    try:
        async with WorkerSide(settings.address, settings.name, hello, folder) as side:
            host.processes.new_connection()
            count = len(host.announced)
            say(f"connected to the farm at {settings.farm} as {settings.name}, {count} devices")
            if trouble := await asyncio.to_thread(_clean):
                say(trouble)
            changed = asyncio.create_task(_bench_changed(host, settings, say))
            waits = [asyncio.create_task(stop.wait()), asyncio.create_task(side.lost()), changed]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await host.processes.end()  # while the farm still hears how their jobs ended
            elif not changed.done():
                say("the farm went away")
            for one in waits:
                one.cancel()
    except Refused as error:
        return f"it refused this host: {error}"
    except OSError as error:
        return one_line(error)
    return ""


def _clean() -> str:
    """Removes what old nights left on this host; why that could not be done, or nothing."""
    try:
        return clean_older(KEEP_DAYS).trouble
    except EdgepruneError as error:
        return one_line(error)


async def _bench_changed(host: Host, settings: HostSettings, say: Callable[[str], None]) -> None:
    """Waits until the bench file has changed and is right: then all is announced anew."""
    file = settings.bench or paths.config_folder() / "bench.toml"
    seen = _state_of(file)
    while True:
        await asyncio.sleep(_LOOK_S)
        if (now := _state_of(file)) == seen:
            continue
        seen = now
        try:
            host.read_bench()
        except ConfigError as error:
            say(f"{one_line(error)}: the devices stay as they were")
            continue
        say(f"{file} has changed")
        return


def _state_of(file: Path) -> tuple[int, int] | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
