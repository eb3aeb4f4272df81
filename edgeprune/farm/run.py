"""Runs a night of a plan on this host, with the built-in engine."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import hashlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeprune.farm import cleaning, confirming
from edgeprune.farm.children import Children
from edgeprune.farm.clock import clock_ms
from edgeprune.farm.dispatcher import Dispatcher, Work
from edgeprune.farm.expand import Expanded
from edgeprune.farm.folder import night_folder
from edgeprune.farm.holder import this_process
from edgeprune.farm.job import State
from edgeprune.farm.night import night_name
from edgeprune.farm.plan import deadline_after
from edgeprune.farm.presence import Presence
from edgeprune.farm.probing import TransportProber
from edgeprune.farm.scheduler import Reporter, Scheduler, Settings
from edgeprune.farm.store import jobs, nights
from edgeprune.farm.store.nights import Night
from edgeprune.history.place import place
from edgeprune.history.writer import Writer

_WORKERS_A_CORE = 4
"""Jobs wait for their devices most of the time. Source: ours."""


@dataclass(frozen=True)
class NightResult:
    """How a night ended.

    Attributes:
        night: Its name.
        is_over: All jobs ended, or the morning came; False where it was stopped.
        counts: How many jobs are in each state.
        regressions: How many changes for the worse are confirmed.
    """

    night: str
    is_over: bool
    counts: dict[State, int]
    regressions: int


def run_night(
    expanded: Expanded, bench: Path | None, night: str | None, reporter: Reporter
) -> NightResult:
    """Runs a night, or goes on with one that was ended by force.

    Args:
        expanded: The plan with its jobs and devices.
        bench: Bench file, or None for the user's own.
        night: The night's name; None takes the one that it is.
        reporter: Takes what happens.

    Raises:
        ConfigError: The history cannot be used.
    """
    threads = concurrent.futures.ThreadPoolExecutor(1, "edgeprune-history")
    writer = Writer(place())

    async def call(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: function(*given, **named))

    async def whole() -> NightResult:
        work, deadline_s = await call(_work, writer, expanded, night)
        settings = Settings(_workers(expanded), deadline_s, time.monotonic, call)
        is_over = await _scheduled(writer, work, expanded, bench, settings, reporter)
        counts, regressions = await call(_outcome, writer, work.night.name)
        if is_over:
            await call(_clean, writer, reporter)
        await call(writer.close)
        return NightResult(work.night.name, is_over, counts, regressions)

    try:
        return asyncio.run(whole())
    finally:
        threads.shutdown()


def _work(writer: Writer, expanded: Expanded, night: str | None) -> tuple[Work, float | None]:
    """What is to do, and the deadline on the monotonic clock."""
    plan = expanded.plan
    now = datetime.datetime.now(datetime.UTC)
    deadline = deadline_after(plan, now)
    deadline_ms = None if deadline is None else round(1000 * deadline.timestamp())
    with writer.transaction() as connection:
        unfinished = nights.unfinished(connection, plan.name, clock_ms(connection))
    name = night or unfinished or night_name(plan, now)
    digest = hashlib.sha256(plan.file.read_bytes()).hexdigest()
    work = Work(
        Night(name, plan.name, digest, deadline_ms),
        expanded.jobs,
        {one.name: one.board.name for one in expanded.devices.values()},
        expanded.golden,
        plan.golden.band if plan.golden else 0.0,
        plan.confirm_share,
    )
    left_s = None if deadline is None else (deadline - now).total_seconds()
    return work, None if left_s is None else time.monotonic() + left_s


async def _scheduled(
    writer: Writer,
    work: Work,
    expanded: Expanded,
    bench: Path | None,
    settings: Settings,
    reporter: Reporter,
) -> bool:
    host = socket.gethostname()
    folder = night_folder(work.night.name)
    prober = TransportProber(expanded.devices)
    scheduler = Scheduler(
        Dispatcher(writer, work, this_process(), host, clock_ms),
        Children(expanded.devices, folder, bench),
        lambda wake: Presence(prober, expanded.devices, settings.now_s, wake),
        settings,
        reporter,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, scheduler.stop, "the farm was stopped")
    return await scheduler.run()


def _clean(writer: Writer, reporter: Reporter) -> None:
    """Removes what no night needs any more; a night that is over is not spoilt by that."""
    with writer.transaction() as connection:
        left = cleaning.left_over(connection, clock_ms(connection))
    if trouble := cleaning.clean(left).trouble:
        reporter.trouble(trouble)


def _outcome(writer: Writer, night: str) -> tuple[dict[State, int], int]:
    with writer.transaction() as connection:
        return jobs.counts(connection, night), confirming.regressions(connection, night)


def _workers(expanded: Expanded) -> int:
    asked = expanded.plan.workers or _WORKERS_A_CORE * (os.cpu_count() or 1)
    return min(asked, max(1, len(expanded.devices)))
