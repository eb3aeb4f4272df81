"""Jobs with agents on this machine, several at once: all of them end where one fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from edgeprune.agents.session import AgentSession
from edgeprune.errors import DeviceError


@dataclass
class Crew:
    """The agents that are at work, and what at.

    Attributes:
        error: What a job failed with first, or None.
        is_over: Whether nothing may begin any more.
    """

    error: Exception | None = None
    is_over: bool = False
    _agents: list[AgentSession] = field(default_factory=list)
    _doing: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def working(self, agent: AgentSession) -> Iterator[AgentSession]:
        """The block in which a job talks to an agent, which ends with it.

        Raises:
            DeviceError: Another job has failed meanwhile, or the user interrupts.
        """
        with agent:
            with self._lock:
                if self.is_over:
                    raise DeviceError("the other runs beside it have ended")
                self._agents.append(agent)
            try:
                yield agent
            finally:
                with self._lock:
                    self._agents.remove(agent)

    def work(self, job: Job) -> None:
        """Does a job, unless all is over."""
        with self._lock:
            if self.is_over:
                return
            self._doing.append(job.what)
        try:
            job.do(self)
        except Exception as error:
            with self._lock:
                if not self.is_over:
                    self.error, self.is_over = error, True
            raise
        with self._lock:
            self._doing.remove(job.what)

    def doing(self) -> str:
        """What the jobs are at that have begun and not ended."""
        with self._lock:
            return " and ".join(dict.fromkeys(self._doing))

    def end(self) -> None:
        """Ends every agent at once; nothing begins any more."""
        with self._lock:
            self.is_over = True
            agents = list(self._agents)
        for agent in agents:
            agent.kill()


@dataclass(frozen=True)
class Job:
    """Something to do with agents.

    Attributes:
        what: As the end of "while ...", for an interrupt's message.
        do: Does it; each agent works in a block of :meth:`Crew.working`.
    """

    what: str
    do: Callable[[Crew], None]


def usable_cores() -> int:
    """Cores of this machine that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_side_by_side(jobs: Sequence[Job], workers: int) -> None:
    """Does jobs in their order, so many at once.

    Args:
        jobs: What to do.
        workers: At least 1.

    Raises:
        DeviceError: A job failed, first among those that did; the others were ended.
        KeyboardInterrupt: The user interrupts, and the agents were ended; it says at what.
    """
    crew = Crew()
    with ThreadPoolExecutor(workers) as pool:
        try:
            futures = [pool.submit(crew.work, job) for job in jobs]
            wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt as interrupt:
            if not str(interrupt) and (what := crew.doing()):
                interrupt.args = (f"while {what}",)
            raise
        finally:
            crew.end()
            pool.shutdown(wait=False, cancel_futures=True)
    if crew.error is not None:
        raise crew.error
