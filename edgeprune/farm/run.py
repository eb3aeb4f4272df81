"""Runs a night of a plan, on this host's devices or on those of several hosts."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import datetime
import hashlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import ConfigError
from edgeprune.farm import cleaning, confirming
from edgeprune.farm.children import Children
from edgeprune.farm.clock import clock_ms
from edgeprune.farm.dispatcher import Dispatcher, Work
from edgeprune.farm.executor import Executor, Prober
from edgeprune.farm.expand import Expanded, expand_for
from edgeprune.farm.folder import night_folder
from edgeprune.farm.holder import this_process
from edgeprune.farm.inventory import FarmDevice
from edgeprune.farm.job import State
from edgeprune.farm.labgrid import asked_with_places, with_places
from edgeprune.farm.night import night_name
from edgeprune.farm.plan import MAX_WORKERS, Plan, deadline_after
from edgeprune.farm.presence import Presence
from edgeprune.farm.probing import TransportProber
from edgeprune.farm.scheduler import Reporter, Scheduler, Settings
from edgeprune.farm.store import devices, jobs, nights
from edgeprune.farm.store.nights import Night
from edgeprune.history.place import place
from edgeprune.history.writer import Writer

if TYPE_CHECKING:
    from edgeprune.farm.dask.address import Address
    from edgeprune.farm.dask.engine import Hosts

_WORKERS_A_CORE = 4
"""Jobs wait for their devices most of the time. Source: ours."""

NOT_ON_ANY_HOST = (
    "no host that is connected has a {board}: start `edgeprune farm worker` where one is"
)

_SETTLE_S = 2.0
"""Hosts that are up come within that time of each other. Source: ours; they try again each second
or, where the farm was away for longer, each quarter of a minute."""


@dataclass(frozen=True)
class NightResult:
    """How a night ended.

    Attributes:
        night: Its name.
        is_over: All jobs ended, or the morning came; False where it was stopped.
        counts: How many jobs are in each state.
        regressions: How many changes for the worse are confirmed.
        is_news: Something was done; False where the night was over before, and no job was new.
    """

    night: str
    is_over: bool
    counts: dict[State, int]
    regressions: int
    is_news: bool = True


@dataclass(frozen=True)
class Listening:
    """How a farm on several hosts begins.

    Attributes:
        address: Where it listens.
        wait_s: How long it waits until there is a device of each board of the plan.
    """

    address: Address
    wait_s: float


Grow = Callable[[Scheduler], Awaitable[None]]


@dataclass(frozen=True)
class _Engine:
    """What runs the jobs of a night.

    Attributes:
        executor: Runs them.
        prober: Asks devices.
        workers: How many may run at once.
        grow: Goes on for the whole night, and tells the scheduler of more devices; or None.
    """

    executor: Executor
    prober: Prober
    workers: int
    grow: Grow | None = None


def run_night(
    expanded: Expanded, bench: Path | None, night: str | None, reporter: Reporter
) -> NightResult:
    """Runs a night on this host's devices, or goes on with one that was ended by force.

    Args:
        expanded: The plan with its jobs and devices.
        bench: Bench file, or None for the user's own.
        night: The night's name; None takes the one that it is.
        reporter: Takes what happens.

    Raises:
        ConfigError: The history cannot be used.
    """

    async def whole() -> NightResult:
        with _history() as (writer, call):
            _tell_bad_models(expanded, reporter)
            work, deadline_s = await call(_work, writer, expanded, night)
            folder = night_folder(work.night.name)
            devices, trouble = expanded.devices, reporter.trouble
            engine = _Engine(
                with_places(Children(devices, folder, bench), devices, trouble),
                asked_with_places(TransportProber(devices), devices, trouble),
                _workers(expanded),
            )
            settings = Settings(engine.workers, deadline_s, time.monotonic, call)
            return await _run(writer, work, engine, settings, reporter)

    with contextlib.ExitStack() as stack:
        for use in {one.board.transport.use for one in expanded.devices.values()}:
            stack.enter_context(TRANSPORTS.get(use).left_as_found())
        return asyncio.run(whole())


def run_night_on_hosts(
    plan: Plan, listening: Listening, night: str | None, reporter: Reporter
) -> NightResult:
    """Runs a night on the devices of all hosts that come, or goes on with one.

    Args:
        plan: The plan.
        listening: Where hosts come, and how long they are waited for.
        night: The night's name; None takes the one that it is.
        reporter: Takes what happens.

    Raises:
        ConfigError: The history or the address cannot be used, an extra is missing, the plan is
            wrong, or no host came that has a board of the plan.
    """
    from edgeprune.farm.dask.engine import Hosts

    async def whole() -> NightResult:
        with _history() as (writer, call):
            async with Hosts(listening.address, reporter.trouble) as hosts:
                expanded = await _gathered(plan, hosts, listening.wait_s, reporter)
                _tell_bad_models(expanded, reporter)
                work, deadline_s = await call(_work, writer, expanded, night)
                for line in await call(_missed, writer, work):
                    reporter.trouble(line)
                workers = plan.workers or MAX_WORKERS
                engine = _Engine(hosts, hosts, workers, lambda it: _grow(it, work, plan, hosts))
                settings = Settings(workers, deadline_s, time.monotonic, call)
                return await _run(writer, work, engine, settings, reporter)

    return asyncio.run(whole())


def _tell_bad_models(expanded: Expanded, reporter: Reporter) -> None:
    for line in expanded.bad_models:
        reporter.trouble(f"{line}; its jobs will fail")


@contextlib.contextmanager
def _history() -> Iterator[tuple[Writer, Callable[..., Awaitable[Any]]]]:
    """The history, and what calls functions that use it: one after the other, beside the loop."""
    threads = concurrent.futures.ThreadPoolExecutor(1, "edgeprune-history")
    writer = Writer(place())

    async def call(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: function(*given, **named))

    try:
        yield writer, call
    finally:
        threads.submit(writer.close)
        threads.shutdown()


async def _gathered(plan: Plan, hosts: Hosts, wait_s: float, reporter: Reporter) -> Expanded:
    """The plan with the devices of the hosts that came in time.

    Raises:
        ConfigError: The plan is wrong, or there is no device of one of its boards.
    """
    boards = {name for table in plan.jobs for name in table.boards}
    reporter.trouble(f"waiting up to {wait_s:g} s for hosts with {', '.join(sorted(boards))}")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while boards - {one.board.name for one in hosts.devices.values()}:
                await hosts.changed.wait()
                hosts.changed.clear()
            await asyncio.sleep(_SETTLE_S)
    hosts.changed.clear()
    return await asyncio.to_thread(_expanded, plan, dict(hosts.devices))


async def _grow(scheduler: Scheduler, work: Work, plan: Plan, hosts: Hosts) -> None:
    """Tells the scheduler of devices that come later, with their jobs."""
    while True:
        await hosts.changed.wait()
        hosts.changed.clear()
        try:
            more = await asyncio.to_thread(_expanded, plan, dict(hosts.devices))
        except ConfigError:
            continue  # a model changed meanwhile, say: the night goes on with what it has
        if more.devices.keys() - work.boards.keys():
            work = _with_devices(work, more)
            scheduler.widen(work)


def _expanded(plan: Plan, devices: dict[str, FarmDevice]) -> Expanded:
    """A plan's jobs on these devices.

    Raises:
        ConfigError: The plan is wrong, or there is no device of one of its boards.
    """

    def find(boards: list[str]) -> dict[str, FarmDevice]:
        return {name: one for name, one in devices.items() if one.board.name in boards}

    return expand_for(plan, find, NOT_ON_ANY_HOST)


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
    band = plan.golden.band if plan.golden else 0.0
    night_row = Night(name, plan.name, digest, deadline_ms)
    work = Work(night_row, [], {}, {}, band, plan.confirm_share)
    left_s = None if deadline is None else (deadline - now).total_seconds()
    return _with_devices(work, expanded), None if left_s is None else time.monotonic() + left_s


def _missed(writer: Writer, work: Work) -> list[str]:
    """A line for each host that took part lately, and did not come."""
    there = {*work.hosts.values(), socket.gethostname()}
    with writer.transaction() as connection:
        found = devices.away(connection, there, set(work.boards.values()), clock_ms(connection))
    return [
        f"{host} is not there: nothing waits for {', '.join(names)}"
        for host, names in found.items()
    ]


def _with_devices(work: Work, expanded: Expanded) -> Work:
    """The work with these devices and their jobs."""
    names = expanded.devices
    return dataclasses.replace(
        work,
        jobs=expanded.jobs,
        boards={one.name: one.board.name for one in names.values()},
        golden=expanded.golden,
        hosts={name: name.rpartition("@")[2] for name in names if "@" in name},
    )


async def _run(
    writer: Writer, work: Work, engine: _Engine, settings: Settings, reporter: Reporter
) -> NightResult:
    host = socket.gethostname()
    scheduler = Scheduler(
        Dispatcher(writer, work, this_process(), host, clock_ms),
        engine.executor,
        lambda wake: Presence(engine.prober, work.boards, settings.now_s, wake),
        settings,
        reporter,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, scheduler.stop, "the farm was stopped")
    earlier = await settings.call(_counts_if_over, writer, work.night.name)
    async with _growing(engine.grow, scheduler):
        is_over = await scheduler.run()
    counts, regressions = await settings.call(_outcome, writer, work.night.name)
    if is_over:
        await settings.call(_clean, writer, reporter)
    return NightResult(work.night.name, is_over, counts, regressions, counts != earlier)


@contextlib.asynccontextmanager
async def _growing(grow: Grow | None, scheduler: Scheduler) -> AsyncIterator[None]:
    """Lets the farm grow beside what is done in the block."""
    if grow is None:
        yield
        return
    task = asyncio.ensure_future(grow(scheduler))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _clean(writer: Writer, reporter: Reporter) -> None:
    """Removes what no night needs any more; a night that is over is not spoilt by that."""
    with writer.transaction() as connection:
        left = cleaning.left_over(connection, clock_ms(connection))
    if trouble := cleaning.clean(left).trouble:
        reporter.trouble(trouble)


def _counts_if_over(writer: Writer, night: str) -> dict[State, int] | None:
    with writer.transaction() as connection:
        return jobs.counts(connection, night) if nights.has_ended(connection, night) else None


def _outcome(writer: Writer, night: str) -> tuple[dict[State, int], int]:
    with writer.transaction() as connection:
        return jobs.counts(connection, night), confirming.regressions(connection, night)


def _workers(expanded: Expanded) -> int:
    asked = expanded.plan.workers or _WORKERS_A_CORE * (os.cpu_count() or 1)
    return min(asked, max(1, len(expanded.devices)))
