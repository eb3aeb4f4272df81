"""What an emulated core does for one inference, as the plug-in ``qemu_cycles`` counted it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from edgeprune.agents.session import AgentSession
from edgeprune.artifacts.core_work import Cache, CoreWork, Misses
from edgeprune.devices.transports.base import WorkCount
from edgeprune.errors import DeviceError

_INSTRUCTION_BYTES = 4
_NUMBER = re.compile(r"[0-9]{1,18}")
_CODE = re.compile(r"(?:[0-9a-f]{8}){1,1024}")
_TIMED = 2
"""The last intervals of a process that times one inference: that one, and what is behind it."""


@dataclass(frozen=True)
class Interval:
    """What lies between two readings of the clock.

    Attributes:
        work: What was done.
        system_calls: Calls of the system meanwhile.
    """

    work: CoreWork
    system_calls: int


def count_work(
    start: Callable[[WorkCount], AbstractContextManager[AgentSession]],
    load: Callable[[AgentSession, str], object],
    model: Path,
    caches: Sequence[Cache],
    timeout_s: float,
) -> CoreWork:
    """Counts what one inference does: the second of a fresh process, so that the caches are warm.

    The same file gives the same work on one machine, wherever it lies: the length of its path,
    which shifts the heap, is always the same.

    Args:
        start: Starts an agent of which that is counted, on an emulated core.
        load: Loads the network at a path into it, for one thread.
        model: The network's file.
        caches: Levels of data cache, the nearest to the core first.
        timeout_s: How long an answer may take.

    Raises:
        DeviceError: The process failed, or brought back no such counts.
    """
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        file, link = Path(folder) / "counts", Path(folder) / "model"
        link.symlink_to(model.absolute())
        with start(WorkCount(file, _TIMED, caches)) as agent:
            load(agent, str(link))
            agent.time(warmup=0, runs=1, max_s=0.0, timeout_s=timeout_s)
            agent.close()
        timed, behind = _expected(read_intervals(file, len(caches)), _TIMED)
    if timed.work.instructions <= behind.work.instructions:
        raise DeviceError(
            "the runtime reads the clock within an inference: its cycles cannot be estimated"
        )
    return timed.work


def read_intervals(file: Path, levels: int) -> list[Interval]:
    """Reads what the plug-in wrote, the oldest interval first.

    Args:
        file: Its file.
        levels: Levels of data cache that were simulated.

    Raises:
        DeviceError: There is none, or it is not whole.
    """
    try:
        lines = file.read_text(encoding="ascii").splitlines()
        return list(_intervals(lines, levels))
    except (OSError, ValueError, LookupError) as error:
        raise DeviceError(
            "the emulator brought back no counts of what the core did: `edgeprune doctor` says why"
        ) from error


def _intervals(lines: list[str], levels: int) -> Iterator[Interval]:
    if lines[-1] != "end":
        raise ValueError("not whole")
    rows = [line.split(" ") for line in lines[:-1]]
    codes = {row[1]: _code(row) for row in rows if row[0] == "code"}
    begun = [i for i, row in enumerate(rows) if row[0] == "interval"]
    for i in begun:
        instructions, accesses, system_calls, *missed = _numbers(rows[i], 3 + 2 * levels)
        blocks: dict[bytes, int] = {}
        for row in rows[i + 1 :]:
            if row[0] != "block":
                break
            code = codes[row[1]]
            _, times = _numbers(row, 2)
            blocks[code] = blocks.get(code, 0) + times
        misses = tuple(map(Misses, missed[::2], missed[1::2]))
        if (
            sum(times * len(code) for code, times in blocks.items())
            != _INSTRUCTION_BYTES * instructions
        ):
            raise ValueError("blocks are missing")
        yield Interval(CoreWork(instructions, accesses, blocks, misses), system_calls)


def _numbers(row: list[str], count: int) -> list[int]:
    if len(row) != 1 + count or not all(map(_NUMBER.fullmatch, row[1:])):
        raise ValueError(row)
    return list(map(int, row[1:]))


def _code(row: list[str]) -> bytes:
    _, _, text = row
    if not _CODE.fullmatch(text):
        raise ValueError(row)
    return bytes.fromhex(text)


def _expected(intervals: list[Interval], count: int) -> list[Interval]:
    if len(intervals) != count:
        raise DeviceError(
            f"the emulator counted {len(intervals)} intervals, expected {count}: "
            "`edgeprune doctor` checks the counter"
        )
    return intervals
