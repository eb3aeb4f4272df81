"""The processes of a host's devices: one each, started and ended as devices come and go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeprune.farm.children import GRACE_S
from edgeprune.farm.dask.device import Start
from edgeprune.files import paths

_END_S = 3 * GRACE_S
"""For a process that ends its job, and that job's own child."""


@dataclass
class _Process:
    """One process.

    Attributes:
        task: Runs from its start to its end.
        connection: Number of the connection to the farm in which it was started.
        stop: Set when it is to end.
    """

    task: asyncio.Task[None]
    connection: int
    stop: asyncio.Event


class DeviceProcesses:
    """Starts and ends the processes.

    Attributes:
        connections: How often the farm was connected to.
        is_over: All were ended, and none will be started.
    """

    def __init__(self, say: Callable[[str], None], argv: tuple[str, ...] = ()) -> None:
        """Nothing is started.

        Args:
            say: Takes a line for people.
            argv: Program and arguments of a device's process; empty takes the real one.
        """
        self._say = say
        self._argv = argv or (sys.executable, "-m", "edgeprune.farm.dask.device")
        self._processes: dict[str, _Process] = {}
        self.connections = 0
        self.is_over = False

    def new_connection(self) -> None:
        """The farm is there anew: processes of the connection before end by themselves."""
        self.connections += 1

    def start(self, device: str, start: Start) -> None:
        """Has a process for a device, which is started where there is none.

        Args:
            device: The device's name with the farm.
            start: What the process is told.
        """
        if self.is_over:
            return
        before = self._processes.get(device)
        if before is not None and not before.task.done():
            if before.connection == self.connections:
                return
            before.stop.set()
        stop = asyncio.Event()
        waits_for = None if before is None else before.task
        task = asyncio.create_task(self._run(start, stop, waits_for))
        self._processes[device] = _Process(task, self.connections, stop)

    async def stop(self, device: str) -> None:
        """Ends the process of a device that went away."""
        process = self._processes.pop(device, None)
        if process is not None:
            process.stop.set()
            await asyncio.wait([process.task])

    async def end(self) -> None:
        """Ends all; each ends its job first, and leaves its device as it was."""
        self.is_over = True
        processes, self._processes = list(self._processes.values()), {}
        for process in processes:
            process.stop.set()
        if processes:
            await asyncio.wait([process.task for process in processes])

    async def _run(
        self, start: Start, stop: asyncio.Event, before: asyncio.Task[None] | None
    ) -> None:
        """One process from its start to its end."""
        if before is not None:
            await asyncio.wait([before])
        if stop.is_set():
            return
        log = _log_of(start.device)
        try:
            with log.open("wb") as errors:
                process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=errors,
                    stderr=errors,
                    start_new_session=True,
                )
        except OSError as error:
            self._say(f"{start.device}: its process cannot be started: {error.strerror or error}")
            return
        try:
            if process.stdin is not None:
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(msgspec.json.encode(start) + b"\n")
                    await process.stdin.drain()
            waits = [asyncio.create_task(one) for one in (process.wait(), stop.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()
            if process.returncode is not None and process.returncode != 0 and not stop.is_set():
                code = process.returncode
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                self._say(f"{start.device}: its process ended with {how}: see {log}")
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _log_of(device: str) -> Path:
    """The file that takes what a process prints."""
    folder = paths.data_folder() / "farm-processes"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{''.join(c if c.isalnum() or c in '@._-' else '-' for c in device)[:200]}.log"
