"""Sessions of all variants in turns, A B B A, until enough are valid to compare the variants."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edgeprune.artifacts.measurement import Session, Timed
from edgeprune.measure.cooling import cool
from edgeprune.measure.guard import UsedCores, judged
from edgeprune.measure.reading import Reading
from edgeprune.measure.session import time_session
from edgeprune.measure.stages import doing
from edgeprune.measure.starter import Starter
from edgeprune.measure.watch import Watch, watching
from edgeprune.progress import counted
from edgeprune.recipe.run_table import RunTable
from edgeprune.significance.enough import is_enough

Say = Callable[[str], None]
Sessions = dict[str, tuple[Session, ...]]

SESSIONS_ADDED = 10
"""Sessions a variant that are added at once. Source: ours; even, so that turns stay A B B A."""


@dataclass
class Kept:
    """What is measured so far.

    Attributes:
        sessions: By variant, each with its verdict.
        timed: How they were timed; None before the first one.
        is_put: Called after each session.
    """

    sessions: Sessions = field(default_factory=dict)
    timed: Timed | None = None
    is_put: Callable[[], None] = lambda: None

    def put(self, sessions: Sessions, timed: Timed) -> None:
        """Takes what there is now in place of what there was."""
        self.sessions, self.timed = sessions, timed
        self.is_put()


def turns(names: Sequence[str], rounds: int, first: int = 0) -> list[str]:
    """Who runs when: forward, backward, forward, ...; for two variants A B B A.

    Args:
        names: The variants.
        rounds: Sessions of each.
        first: Number of the first round; the odd ones go backward.

    Source: the order ABBA, as of facebook/FAI-PEP, so that a drift of the device meets all alike.

    >>> turns(["a", "b", "c"], 2)
    ['a', 'b', 'c', 'c', 'b', 'a']
    """
    return [
        name
        for k in range(first, first + rounds)
        for name in (names if k % 2 == 0 else list(reversed(names)))
    ]


def time_variants(
    starter: Starter,
    names: Sequence[str],
    used: UsedCores,
    cpus: Sequence[int],
    say: Say,
    kept: Kept,
) -> None:
    """Times all variants, again what was not valid, and more often what compares too vaguely.

    Args:
        starter: Starts agents on the device.
        names: The variants.
        used: What the agents run on, for the rules.
        cpus: Cores that they are pinned to; empty for all.
        say: Takes a line of progress.
        kept: Gets every session as soon as it is whole, whatever becomes of the next one.

    Raises:
        DeviceError: The device or the way to it failed; the message says in which session.
    """
    table = starter.table
    by_name: Sessions = dict.fromkeys(names, ())
    order: list[str] = []
    notes: list[str] = []
    wanted, had, repeats = table.planned_sessions(), 0, 0
    with watching(starter, cpus, notes) as watch:
        while wanted:
            is_again = had == wanted
            if is_again:
                repeats += 1
                notes += _pause(by_name, watch, starter, say)
            rounds = wanted - _least_valid(by_name)
            for name in turns(names, rounds, first=len(order) // len(names)):
                number = len(by_name[name]) + 1
                again = " (again)" if is_again else ""
                most = max(wanted, number)
                now = f"{name}: process {number} of {most}{again}"
                say(now)
                counted(
                    len(order), len(names) * max(most, table.most_sessions()), now, is_most=True
                )
                with doing(f"timing `{name}`, session {number} of {most}"):
                    by_name[name] = (*by_name[name], _one(starter, name, watch))
                order.append(name)
                kept.put(judged(by_name, used), _timed(table, order, repeats, notes))
            by_name = judged(by_name, used)
            had, wanted = wanted, _next_wanted(by_name, table, wanted, repeats)
    notes += _narrowed(by_name, table, had)
    kept.put(by_name, _timed(table, order, repeats, notes))


def _timed(table: RunTable, order: list[str], repeats: int, notes: list[str]) -> Timed:
    amount = table.amount()
    return Timed(
        effort=table.effort,
        sessions=table.planned_sessions(),
        runs=amount.runs,
        timed_s=amount.timed_s,
        order=tuple(order),
        repeats=repeats,
        notes=tuple(notes),
    )


def _next_wanted(by_name: Sessions, table: RunTable, wanted: int, repeats: int) -> int:
    """How many valid sessions each variant is to have next; 0 where it is enough."""
    if _least_valid(by_name) < wanted:
        return wanted if repeats < table.most_repeats() else 0
    most = table.most_sessions()
    return 0 if wanted >= most or _is_enough(by_name) else min(wanted + SESSIONS_ADDED, most)


def _is_enough(by_name: Sessions) -> bool:
    """Whether the first variant and each other one compare clearly."""
    base, *others = ([*_valid_medians(sessions)] for sessions in by_name.values())
    # A clock that stands still is told where the times are summarized.
    return any(min(one) <= 0 for one in (base, *others)) or all(is_enough(base, n) for n in others)


def _narrowed(by_name: Sessions, table: RunTable, wanted: int) -> list[str]:
    """Says that sessions were added, and whether they sufficed."""
    planned = table.planned_sessions()
    if wanted == planned:
        return []
    line = f"{wanted - planned} sessions a variant were added to tell a difference of 5%"
    if _least_valid(by_name) >= wanted and _is_enough(by_name):
        return [line]
    return [f"{line}, and do not suffice: the sessions' medians scatter too much"]


def _valid_medians(sessions: Sequence[Session]) -> Iterator[float]:
    for one in sessions:
        if one.verdict == "valid":
            yield statistics.median(one.latency_ns)


def _least_valid(by_name: Sessions) -> int:
    return min(valid_count(sessions) for sessions in by_name.values())


def valid_count(sessions: Sequence[Session]) -> int:
    """How many of them may be used."""
    return sum(one.verdict == "valid" for one in sessions)


def _one(starter: Starter, name: str, watch: Watch | None) -> Session:
    """One fresh process that times one variant."""
    amount = starter.table.amount()
    with starter.agent() as agent:
        load_ns = starter.load(agent, name)
        if watch is not None:
            watch.begin(agent.hello().pid, amount.timed_s)
        session = time_session(
            agent,
            amount,
            starter.table.warmup,
            starter.timeout_s,
            watch.keep_awake if watch is not None else lambda: None,
            starter.clock,
        )
        state = None
        if watch is not None and session.begin_s is not None and session.end_s is not None:
            state = watch.end(session.begin_s, session.end_s)
    return dataclasses.replace(session, load_ns=load_ns, state=state)


def _pause(
    found: Mapping[str, Sequence[Session]], watch: Watch | None, starter: Starter, say: Say
) -> list[str]:
    """Before sessions are made again: a device that throttled has to cool, no other waits."""
    sessions = [one for of_variant in found.values() for one in of_variant]
    if not any(one.verdict == "throttled" for one in sessions):
        return []
    say("cooling")
    table = starter.table
    starts = [one.state.temperature_before_c for one in sessions if one.state is not None]
    known = [start for start in starts if start is not None]
    start_c = known[0] if known and watch is not None else None
    read = watch.read if watch is not None else lambda: Reading(0.0)
    _, note = cool(read, start_c, table.cooldown_min_s, table.cooldown_max_s, starter.clock)
    return [note]
