"""Runs a night on all devices that an engine reaches, whatever breaks meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from edgeprune.errors import ConfigError
from edgeprune.farm.dispatcher import REFRESH_MS, Dispatcher, Turn, Work
from edgeprune.farm.executor import Assignment, Ending, Executor
from edgeprune.farm.job import ErrorKind, Kind
from edgeprune.farm.presence import Presence

PATIENCE_S = 3600.0
"""How long jobs wait for a device that can be used, in a night without a deadline. Source: ours."""

CONFIRM_PATIENCE_S = 900.0
"""How long re-runs alone wait for their devices once all else is done. Source: ours."""

HISTORY_PATIENCE_S = 3600.0
"""How long a night waits for its database. Source: ours."""

_TICK_S = REFRESH_MS / 1000
_MAX_PAUSE_S = 60.0
"""Longest pause before a database that went away is asked again."""

Answer = TypeVar("Answer")


class Reporter(Protocol):
    """Takes what happens in a night, for people."""

    def ended(self, assignment: Assignment, ending: Ending) -> None:
        """An attempt ended."""

    def trouble(self, line: str) -> None:
        """Something is wrong that no job shows."""


@dataclass(frozen=True)
class Settings:
    """How a night is run.

    Attributes:
        workers: How many jobs may run at once.
        deadline_s: Seconds on ``now_s`` at which all is over, or None.
        now_s: A monotonic clock.
        call: Runs a function that may block, for the database.
    """

    workers: int
    deadline_s: float | None = None
    now_s: Callable[[], float] = time.monotonic
    call: Callable[..., Awaitable[Any]] = asyncio.to_thread


class Scheduler:
    """Runs one night."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        executor: Executor,
        presence: Callable[[Callable[[], None]], Presence],
        settings: Settings,
        reporter: Reporter,
    ) -> None:
        """Nothing runs before :meth:`run`.

        Args:
            dispatcher: Decides who runs what.
            executor: Runs it.
            presence: Makes what asks devices, of what wakes this.
            settings: How.
            reporter: Takes what happens.
        """
        self._dispatcher, self._executor = dispatcher, executor
        self._settings, self._reporter = settings, reporter
        self._wake = asyncio.Event()
        self._presence = presence(self._wake.set)
        self._tasks: dict[str, tuple[Assignment, asyncio.Task[None]]] = {}
        self._endings: list[tuple[Assignment, Ending]] = []
        self._stop_reason = ""
        self._warned: set[str] = set()
        self._wider: Work | None = None

    def widen(self, work: Work) -> None:
        """There are more devices from the next turn on, and the jobs that came with them."""
        self._wider = work
        self._wake.set()

    def stop(self, reason: str) -> None:
        """Ends in order, and soon: running jobs are called off, and wait for another time."""
        self._stop_reason = reason
        self._wake.set()

    async def run(self) -> bool:
        """Runs the night to its end.

        Returns:
            Whether the night is over, rather than stopped.

        Raises:
            ConfigError: The history cannot be used from the start.
        """
        await self._settings.call(self._dispatcher.begin)
        busy_s = self._settings.now_s()
        try:
            while not self._stop_reason:
                self._wake.clear()
                if self._wider is not None:
                    work, self._wider = self._wider, None
                    await self._call(self._dispatcher.widen, work)
                    self._presence.add(work.boards)
                self._presence.ask(self._tasks)
                turn = await self._turn()
                self._act_on(turn)
                now_s = self._settings.now_s()
                if self._is_at_work():
                    busy_s = now_s
                if why := self._end_of_night(turn, now_s - busy_s):
                    await self._call_off(why)
                    await self._call(self._dispatcher.finish, why)
                    return True
                await self._sleep()
            await self._call_off(self._stop_reason)
            return False
        finally:
            await self._presence.close()
            for _, task in self._tasks.values():
                task.cancel()

    def _is_at_work(self) -> bool:
        """Whether anything runs but golden models."""
        return any(one.job.kind is not Kind.GOLDEN for one, _ in self._tasks.values())

    def _end_of_night(self, turn: Turn, idle_s: float) -> str:
        """Why the night is over; empty where it is not."""
        if turn.open_jobs is not None and not any(turn.open_jobs.values()):
            return "all jobs are over"
        is_plan_done = turn.open_jobs is not None and not turn.open_jobs.get(Kind.MEASURE)
        if is_plan_done and idle_s >= CONFIRM_PATIENCE_S:
            return f"its device could not run it for {CONFIRM_PATIENCE_S / 60:.0f} min"
        deadline_s = self._settings.deadline_s
        if deadline_s is not None:
            return "the morning came first" if self._settings.now_s() >= deadline_s else ""
        if idle_s < PATIENCE_S:
            return ""
        return f"no device could run it for {PATIENCE_S / 60:.0f} min"

    async def _turn(self) -> Turn:
        endings, signs = list(self._endings), dict(self._presence.signs)
        cycled = list(self._presence.cycled)
        room = self._settings.workers - len(self._tasks)
        counts = not self._is_at_work()
        turn: Turn = await self._call(
            self._dispatcher.turn, endings, signs, cycled, room, counts=counts
        )
        del self._endings[: len(endings)]
        del self._presence.cycled[: len(cycled)]
        for device, sign in signs.items():
            if self._presence.signs.get(device) is sign:
                del self._presence.signs[device]
        for line in turn.said:
            self._reporter.trouble(line)
        for assignment, ending in endings:
            if assignment not in turn.refused:
                self._reporter.ended(assignment, ending)
            if ending.warning and ending.warning not in self._warned:
                self._warned.add(ending.warning)
                self._reporter.trouble(ending.warning)
        return turn

    def _act_on(self, turn: Turn) -> None:
        for assignment in turn.assignments:
            task = asyncio.create_task(self._run_one(assignment))
            self._tasks[assignment.lease.device] = (assignment, task)
        for device in turn.lost:
            if device in self._tasks:
                self._reporter.trouble(f"{device}: its lease was lost, the job there is ended")
                self._tasks[device][1].cancel()

    async def _run_one(self, assignment: Assignment) -> None:
        device = assignment.lease.device
        try:
            ending = await self._executor.run(assignment)
        except asyncio.CancelledError:
            ending = Ending(message=self._stop_reason or "called off")
        except Exception as error:  # noqa: BLE001  # a fault of an engine ends its job alone
            ending = Ending(None, ErrorKind.BUG, f"{type(error).__name__}: {error}")
        self._endings.append((assignment, ending))
        if ending.leaves_doubt:
            self._presence.ask_soon(device)
        del self._tasks[device]
        self._wake.set()

    async def _call_off(self, why: str) -> None:
        """Ends what runs, and writes that down."""
        self._stop_reason = why
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        endings = list(self._endings)
        await self._call(self._dispatcher.turn, endings, {}, [], 0, counts=False)
        await self._call(self._dispatcher.let_go)
        for assignment, ending in endings:
            self._reporter.ended(assignment, ending)

    async def _call(self, function: Callable[..., Answer], *given: Any, **named: Any) -> Answer:
        """Has the database do something, however often that fails: nothing is lost meanwhile.

        Raises:
            ConfigError: It has failed for too long; started again, the night goes on.
        """
        pause_s, away_since_s = 0.5, None
        while True:
            try:
                answer: Answer = await self._settings.call(function, *given, **named)
            except ConfigError as error:
                now_s = self._settings.now_s()
                if away_since_s is None:
                    away_since_s = now_s
                    self._reporter.trouble(
                        f"{error}; it is tried again for {HISTORY_PATIENCE_S / 60:.0f} min"
                    )
                if now_s - away_since_s >= HISTORY_PATIENCE_S:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _MAX_PAUSE_S)
            else:
                if away_since_s is not None:
                    self._reporter.trouble("the history is back, and the night goes on")
                return answer

    async def _sleep(self) -> None:
        """Until something happens, or is due."""
        now_s = self._settings.now_s()
        due_s = min(self._presence.next_due_s(self._tasks), now_s + _TICK_S)
        if self._settings.deadline_s is not None:
            due_s = min(due_s, self._settings.deadline_s)
        try:
            async with asyncio.timeout(max(0.0, due_s - now_s)):
                await self._wake.wait()
        except TimeoutError:
            pass
