"""What an emulated core does for one inference and for each of its kernels.

Both are of the second inference of a fresh process, so that its caches are warm. The same file
gives the same work on one machine, wherever it lies: the length of its path, which shifts the heap,
is always the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from edgeprune.agents.session import AgentSession
from edgeprune.artifacts.core_work import Cache, CoreWork
from edgeprune.devices.transports.base import WorkCount
from edgeprune.errors import DeviceError
from edgeprune.measure.intervals import Interval, read_intervals
from edgeprune.measure.layers import DELEGATE_KERNELS, is_kernel

_TIMED = 2
"""The last intervals of a process that times one inference: that one, and what is behind it."""

_PROFILED = 8192
"""Intervals of a profiled process that are kept: a kernel is one, and a frame of the runtime's a
few. Source: ours."""


@dataclass(frozen=True)
class Counting:
    """How a process of which all is counted gets its work.

    Attributes:
        start: Starts an agent of which that is counted, on an emulated core.
        load: Loads the network at a path into it, for one thread; to be profiled where it is told.
        model: The network's file.
        caches: Levels of data cache that are simulated, the nearest to the core first.
        timeout_s: How long an answer may take.
    """

    start: Callable[[WorkCount], AbstractContextManager[AgentSession]]
    load: Callable[[AgentSession, str, bool], object]
    model: Path
    caches: Sequence[Cache]
    timeout_s: float


def count_work(counting: Counting) -> CoreWork:
    """Counts what one inference does.

    Raises:
        DeviceError: The process failed, or brought back no such counts.
    """
    with _counted(counting, _TIMED, profile=False) as (agent, intervals):
        agent.time(warmup=0, runs=1, max_s=0.0, timeout_s=counting.timeout_s)
    if len(intervals) != _TIMED or intervals[0].work.instructions <= intervals[1].work.instructions:
        raise DeviceError(
            "the runtime reads the clock within an inference: its cycles cannot be estimated"
        )
    return intervals[0].work


def count_layers(counting: Counting) -> tuple[tuple[str, CoreWork | None], ...]:
    """Counts what each kernel of a profiled inference does.

    Returns:
        Each kernel's name, and what it does; None for all where the kernels are not found again in
        what was counted, as in networks with loops.

    Raises:
        DeviceError: The process failed, or brought back no such counts.
    """
    with _counted(counting, _PROFILED, profile=True) as (agent, intervals):
        profile = agent.profile(1, timeout_s=counting.timeout_s)
    kernels = [event for event in profile.events[0] if is_kernel(event)]
    works = _of_kernels(intervals, [event.source == DELEGATE_KERNELS for event in kernels])
    return tuple((event.tag, work) for event, work in zip(kernels, works, strict=True))


def profiled_intervals(counting: Counting) -> list[Interval]:
    """What lies between any two readings of the clock of two profiled inferences.

    Raises:
        DeviceError: The process failed, or brought back no such counts.
    """
    with _counted(counting, _PROFILED, profile=True) as (agent, intervals):
        agent.profile(1, timeout_s=counting.timeout_s)
    return intervals


@contextmanager
def _counted(
    counting: Counting, last: int, *, profile: bool
) -> Iterator[tuple[AgentSession, list[Interval]]]:
    """An agent with the network loaded, and a list that has the intervals behind the block."""
    intervals: list[Interval] = []
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        file, link = Path(folder) / "counts", Path(folder) / "model"
        link.symlink_to(counting.model.absolute())
        with counting.start(WorkCount(file, last, counting.caches)) as agent:
            counting.load(agent, str(link), profile)
            yield agent, intervals
            agent.close()
        intervals += read_intervals(file, len(counting.caches))


def _of_kernels(intervals: list[Interval], delegated: Sequence[bool]) -> Sequence[CoreWork | None]:
    """What each kernel of the last inference does; ``delegated`` says which are the delegate's.

    XNNPACK reads the clock before its first kernel and behind each one, the interpreter before and
    behind each of its own; both call the system for nothing else meanwhile, as frames around them
    do. So the kernels of an inference are a stretch of intervals without other calls, in which
    another one follows each partition of XNNPACK's and each kernel of the interpreter's. Another
    one may go before all, where the interpreter's frame around them called the system no more.

    Source: XNNPACK ``src/runtime.c``, xnn_invoke_runtime; LiteRT ``tflite/profiling``.
    """
    places, at = [], 0
    for number, is_delegated in enumerate(delegated):
        places.append(at)
        goes_on = is_delegated and delegated[number + 1 : number + 2] == [True]
        at += 1 if goes_on else 2
    stretches = [list(group) for free, group in groupby(intervals, _is_free) if free]
    for stretch in reversed(stretches):
        before = len(stretch) - at
        if before == 0 or (before == 1 and delegated[:1] == [False]):
            return [stretch[before + place].work for place in places]
    return [None] * len(delegated)


def _is_free(interval: Interval) -> bool:
    return interval.system_calls == 0
