"""The built-in executor: a child process a job, so that a crash or a leak ends with its job."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edgeprune.farm.child import Order, of_host
from edgeprune.farm.executor import Assignment, Ending
from edgeprune.farm.inventory import FarmDevice
from edgeprune.farm.job import ErrorKind
from edgeprune.farm.kept import remove_nights
from edgeprune.text.untrusted import one_line

MAX_ANSWER_BYTES = 64 << 20
"""A soak's result has some MB."""

GRACE_S = 10.0
"""For a child that is told to end, to leave its device as it was."""

_LOG_TAIL_BYTES = 4096


class Children:
    """Runs each job in ``python -m edgeprune.farm.child``."""

    def __init__(self, devices: Mapping[str, FarmDevice], folder: Path, bench: Path | None) -> None:
        """Nothing is started.

        Args:
            devices: All devices by name.
            folder: Each attempt writes a folder of its own below it.
            bench: Bench file, or None for the user's own.
        """
        self._devices, self._folder, self._bench = devices, folder, bench

    async def run(self, assignment: Assignment) -> Ending:
        """Runs one attempt; see :class:`edgeprune.farm.executor.Executor`."""
        try:
            ending = await self._run(assignment, self._folder / folder_name(assignment))
        except OSError as error:
            ending = of_host(f"{self._folder}: {error.strerror or error}")
        if ending.is_hosts:  # what earlier nights left may be in its way
            await asyncio.to_thread(remove_nights, [assignment.night])
        return ending

    async def _run(self, assignment: Assignment, place: Path) -> Ending:
        place.parent.mkdir(parents=True, exist_ok=True)
        order = Order(
            assignment,
            self._devices[assignment.lease.device].host,
            None if self._bench is None else str(self._bench.absolute()),
            str(place),
        )
        log = place.parent / f"{place.name}.log"
        with log.open("wb") as errors:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "edgeprune.farm.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                limit=MAX_ANSWER_BYTES,
            )
        try:
            return await _talk(child, msgspec.json.encode(order), assignment.timeout_s, log)
        finally:
            await _end(child)


def folder_name(assignment: Assignment) -> str:
    """What the folder of an attempt is called: no other one is.

    >>> from edgeprune.farm.executor import Lease
    >>> from edgeprune.farm.job import Job, Kind
    >>> job = Job(0, Kind.MEASURE, "/m/../net a.h5", "", "auto", "rpi4", None)
    >>> folder_name(Assignment("8" * 32, "n", job, Lease("pi@lab/3", 7, "me"), 1.0))
    'net-a-pi-lab-3-7'
    """
    words = (Path(assignment.job.model_path).stem, assignment.lease.device)
    clean = (re.sub(r"[^\w.]+", "-", word)[:40].strip(".") for word in words)
    return "-".join((*clean, str(assignment.lease.epoch)))


async def _talk(
    child: asyncio.subprocess.Process, order: bytes, timeout_s: float, log: Path
) -> Ending:
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("a child has no pipes")
    try:
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(ConnectionError):
                child.stdin.write(order + b"\n")
                await child.stdin.drain()
            line = await child.stdout.readline()  # its input stays open: that is its life
            if line.endswith(b"\n"):
                return msgspec.json.decode(line, type=Ending)
            code = await child.wait()
    except TimeoutError:
        return Ending(None, ErrorKind.JOB, f"it took longer than its {timeout_s:g} s and was ended")
    except (ValueError, msgspec.MsgspecError) as error:
        return Ending(None, ErrorKind.BUG, f"the job's process answered nonsense: {error}")
    return _died(code, log)


def _died(code: int, log: Path) -> Ending:
    """The ending of a process that ended without an answer."""
    if code == -signal.SIGKILL:
        why = "the job's process was killed: is the host out of memory?"
        return Ending(None, ErrorKind.INFRASTRUCTURE, why)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    last = one_line(_tail(log).strip().rpartition("\n")[2])
    return Ending(None, ErrorKind.BUG, f"the job's process ended with {how}: {last}; see {log}")


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
    return ""


async def _end(child: asyncio.subprocess.Process) -> None:
    """Ends a child with all that it started; it may clean up first."""
    for number, patience_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        if child.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # what it left behind
    if child.stdin is not None:
        child.stdin.close()
