"""Times of plans on a real microcontroller, by its own clock, all plans in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from edgeprune.agents.firmware.session import FirmwareSession
from edgeprune.artifacts.measurement import Session, Timed
from edgeprune.errors import DeviceError
from edgeprune.firmware.facts import facts_of
from edgeprune.measure.interleave import turns
from edgeprune.measure.stages import doing
from edgeprune.progress import counted
from edgeprune.recipe.run_table import RunTable


def time_plans(
    talk: FirmwareSession,
    plans: Mapping[str, bytes],
    tick_hz: int,
    table: RunTable,
    say: Callable[[str], None],
) -> tuple[dict[str, tuple[Session, ...]], Timed]:
    """Times every plan, each of them loaded anew in each of its sessions.

    Nothing else runs on a microcontroller, so that a session is never repeated.

    Args:
        talk: To the firmware.
        plans: By variant, ``dense`` first.
        tick_hz: How often its clock counts in a second, above 0.
        table: How often and how long.
        say: Takes a line of progress.

    Returns:
        Sessions by variant, and how they were made.

    Raises:
        DeviceError: The device or the way to it failed, or its clock stands still.
    """
    found: dict[str, tuple[Session, ...]] = dict.fromkeys(plans, ())
    order = turns(list(plans), table.planned_sessions())
    talk.hello()
    for number, name in enumerate(order):
        line = f"{name}: session {len(found[name]) + 1} of {table.planned_sessions()}"
        say(line)
        counted(number, len(order), line)
        with doing(f"timing `{name}`"):
            found[name] = (*found[name], _session(talk, plans[name], tick_hz, table))
    amount = table.amount()
    timed = Timed(table.effort, table.planned_sessions(), amount.runs, amount.timed_s, tuple(order))
    return found, timed


def _session(talk: FirmwareSession, plan: bytes, tick_hz: int, table: RunTable) -> Session:
    amount = table.amount()
    talk.store(plan)
    begun_ns = time.monotonic_ns()
    talk.load(facts_of(plan))
    load_ns = time.monotonic_ns() - begun_ns
    (first,) = talk.time(0, 1)
    ticks: tuple[int, ...] = ()
    until_s = time.monotonic() + amount.max_s
    while not ticks or _is_short(ticks, tick_hz, amount.runs, amount.timed_s, until_s):
        runs = min(talk.most_runs, max(1, amount.runs - len(ticks)))
        ticks += talk.time(0 if ticks else table.warmup, runs)
    if min(ticks) == 0:
        raise DeviceError("the firmware's clock stood still: its port's ep_port_ticks is wrong")
    latency_ns = tuple(round(1e9 * each / tick_hz) for each in ticks)
    return Session(latency_ns, round(1e9 * first / tick_hz), load_ns, None)


def _is_short(
    ticks: tuple[int, ...], tick_hz: int, runs: int, timed_s: float, until_s: float
) -> bool:
    """Whether a session lacks runs, or seconds of them, and has time for more."""
    lacks = len(ticks) < runs or sum(ticks) < timed_s * tick_hz
    return lacks and time.monotonic() < until_s
