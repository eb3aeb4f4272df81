"""The process of one device: it runs the device's jobs, each in a child of its own.

Its host starts it (:mod:`edgeprune.farm.dask.host`), and it ends with its input. Where it loses the
farm it ends its job: nobody would take the result any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeprune.errors import DeviceError
from edgeprune.farm.child import of_host
from edgeprune.farm.children import Children, folder_name
from edgeprune.farm.dask import calls
from edgeprune.farm.dask.address import address_of
from edgeprune.farm.dask.file_cache import FileCache
from edgeprune.farm.dask.host_devices import devices_of, files_folder
from edgeprune.farm.dask.messages import MAX_TIMEOUT_S, RemoteOrder, hello_of
from edgeprune.farm.dask.parcels import faults, unpacked
from edgeprune.farm.executor import Assignment, Ending, Executor
from edgeprune.farm.folder import night_folder
from edgeprune.farm.job import ErrorKind
from edgeprune.farm.labgrid import with_places
from edgeprune.text.untrusted import one_line

_DELIVERY_S = 5.0
"""How long a result may wait to be taken when the process ends."""


class Start(msgspec.Struct, frozen=True):
    """What its host tells the process of a device.

    Attributes:
        farm: ``HOST:PORT`` of the farm.
        certificates: Folder of the host's certificate, or None.
        host: What the host is called.
        device: The device's name with the farm.
        bench: Bench file, or None for the user's own.
    """

    farm: str
    certificates: str | None
    host: str
    device: str
    bench: str | None


MakeExecutor = Callable[[Assignment], Executor]


class Device:
    """Runs the jobs of one device; see :class:`edgeprune.farm.dask.calls.Served`."""

    def __init__(self, name: str, executor: MakeExecutor, cache: FileCache) -> None:
        """Nothing runs yet.

        Args:
            name: The device's name with the farm.
            executor: Makes what runs an attempt.
            cache: Has the files that came from the farm.
        """
        self._name, self._executor, self._cache = name, executor, cache
        self._running: dict[str, asyncio.Task[Ending]] = {}
        self._reason = ""

    async def answer(self, verb: str, request: bytes, content: bytes) -> bytes:
        """Ends an attempt, which is all that is asked here; see :class:`calls.Served`."""
        if verb != "stop":
            raise ValueError(f"a device's process does not know {verb!r}")
        await self._end([self._running.get(msgspec.json.decode(request, type=str))])
        return b"null"

    async def run(self, order: bytes) -> bytes:
        """Runs an attempt; see :class:`calls.Served`."""
        try:
            told = msgspec.json.decode(order, type=RemoteOrder)
            if why := self._fault(told):
                ending = Ending(None, ErrorKind.BUG, f"{self._name}: {why}")
            else:
                ending = await self._attempt(told)
        except msgspec.MsgspecError as error:
            ending = Ending(None, ErrorKind.BUG, f"{self._name}: a wrong order: {one_line(error)}")
        return msgspec.json.encode(ending)

    async def end(self, reason: str) -> None:
        """Ends whatever runs, and lets nothing begin."""
        self._reason = reason
        await self._end(list(self._running.values()))

    def _fault(self, order: RemoteOrder) -> str:
        """Why an order cannot be followed; empty if it can."""
        assignment = order.assignment
        if assignment.lease.device != self._name:
            return f"an order for {assignment.lease.device!r} came here"
        if assignment.lease.epoch < 1 or not 0 < assignment.timeout_s <= MAX_TIMEOUT_S:
            return "an order with an impossible epoch or time"
        if self._running:
            return "another job runs here"
        return faults(order.parcels, assignment.job.kind)

    async def _attempt(self, order: RemoteOrder) -> Ending:
        if self._reason:
            return Ending(message=self._reason)
        key = key_of(order.assignment)
        task = self._running[key] = asyncio.create_task(self._measured(order))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:  # Dask closes
            await self._end([task])
        finally:
            del self._running[key]
        if task.cancelled():
            return Ending(message=self._reason or "called off")
        return task.result()

    async def _measured(self, order: RemoteOrder) -> Ending:
        assignment = order.assignment
        name = folder_name(assignment)
        folder = night_folder(assignment.night)
        files = folder / f"{name}.files"
        try:
            if not _begins(folder / f"{name}.begun"):
                return Ending(None, ErrorKind.INFRASTRUCTURE, "this attempt was begun here before")
            await asyncio.to_thread(self._cache.lay, order.parcels, files)
            here = dataclasses.replace(
                assignment, job=unpacked(assignment.job, order.parcels, files)
            )
            return await self._executor(here).run(here)
        except (DeviceError, OSError) as error:
            return of_host(one_line(error))
        finally:
            await asyncio.to_thread(shutil.rmtree, files, ignore_errors=True)

    async def _end(self, tasks: list[asyncio.Task[Ending] | None]) -> None:
        given = [task for task in tasks if task is not None]
        for task in given:
            task.cancel()
        if given:
            await asyncio.wait(given)


def _begins(mark: Path) -> bool:
    """Whether an attempt begins for the first time: Dask may run a task again that it lost."""
    mark.parent.mkdir(parents=True, exist_ok=True)
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def key_of(assignment: Assignment) -> str:
    """What an attempt is called with Dask: no other one is."""
    return f"{assignment.id}-{assignment.lease.device}-{assignment.lease.epoch}"


async def _serve(start: Start, executor: MakeExecutor) -> None:
    """Connects to the farm, and runs jobs until it is told to end or the farm is gone."""
    from edgeprune.farm.dask.door.settings import quieten
    from edgeprune.farm.dask.door.worker import WorkerSide

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    threading.Thread(target=_wait_for_end, args=(loop, stop), daemon=True).start()
    quieten(print)
    device = Device(start.device, executor, FileCache(files_folder()))
    calls.serve(device)
    certificates = None if start.certificates is None else Path(start.certificates)
    address = address_of(start.farm, certificates)
    folder = str(files_folder().parent / "dask")
    async with WorkerSide(address, start.device, hello_of(start.host), folder) as side:
        waits = [asyncio.create_task(one) for one in (stop.wait(), side.lost())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
        await device.end("its host was stopped")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DELIVERY_S):
                while stop.is_set() and side.has_tasks:
                    await asyncio.sleep(0.05)


def _wait_for_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Waits for the end of standard input, which is when the host's process is gone."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stop.set)


def _executor_of(start: Start) -> MakeExecutor:
    bench = None if start.bench is None else Path(start.bench)
    devices, _ = devices_of(bench, start.host)

    def executor(assignment: Assignment) -> Executor:
        children = Children(devices, night_folder(assignment.night), bench)
        return with_places(children, devices, functools.partial(print, file=sys.stderr))

    return executor


def main(executor: MakeExecutor | None = None) -> None:
    """Reads one line from standard input, and serves.

    Args:
        executor: What runs the attempts; None runs them for real.
    """
    start = msgspec.json.decode(sys.stdin.buffer.readline(), type=Start)
    code = 0
    try:
        asyncio.run(_serve(start, executor or _executor_of(start)))
    except Exception as error:  # noqa: BLE001  # the last line of the log says why
        print(f"{type(error).__name__}: {one_line(error)}", file=sys.stderr)
        code = 1
    sys.stderr.flush()
    os._exit(code)  # Dask's threads have nothing left to say


if __name__ == "__main__":
    main()
