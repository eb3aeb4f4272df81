"""Looks at each result as it comes in: what it makes one suspect becomes a job on its device.

Whatever is decided stands in the same transaction as the result that it follows from, so that a
scheduler that is killed looks at nothing twice and forgets nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, literal_column, select

from edgeprune.farm.executor import Assignment, Run
from edgeprune.farm.job import How, Job, Kind, State
from edgeprune.farm.store import jobs
from edgeprune.farm.trends.detectors import MAX_AFTER
from edgeprune.farm.trends.nightly import (
    EXACT,
    Key,
    decisions_of,
    ended_by,
    exact_decision,
    keep_decision,
    series_of,
)
from edgeprune.farm.trends.reasons import Night
from edgeprune.farm.trends.repeats import golden_noise, why_unknown
from edgeprune.farm.trends.series import Asked, Decision, asked_at, asked_tonight
from edgeprune.history.farm_tables import CHANGES, JOBS, RESULTS
from edgeprune.history.tables import RUNS

WINDOW_DAYS = 180
"""Nights further back say nothing about a device of today. Source: ours."""

LATE_NIGHTS = 4
"""Nights for which a change that could not be measured again is tried again. Source: ours."""

MIN_BUDGET_S = 1800
"""How long a re-run may take, or as long as the job that it is of. Source: ours; 80 processes on a
slow board take a quarter of an hour."""

FIRST, LAST = 5_000, -5_000
"""Priorities of re-runs before and behind all of a plan's jobs. Added to them is the change's size,
so that the largest is the first, and :data:`_OTHER_FILE` where the file changed: that is likelier
to be true, and somebody's to mend."""

_MAX_PERMILLE = 1_000
_OTHER_FILE = 1_001
_J = JOBS.c

# Statements are made once: SQLAlchemy takes longer to make one than SQLite to run it.
_UNDONE = (
    select(_J.options)
    .where(_J.kind == literal_column("'confirm'"))  # which the index needs to see
    .where(_J.device == bindparam("of_device"), _J.model_path == bindparam("of_path"))
    .where(_J.state != State.PENDING.value)
    .order_by(_J.ended_ms)
)
_RUN = select(RESULTS.c.run).where(RESULTS.c.job == bindparam("of_job"))


@dataclass(frozen=True)
class Terms:
    """Under what terms changes are measured again.

    Attributes:
        night: The night's name.
        deadline_ms: When all must be over, or None.
        now_ms: The present moment.
        usable: How many devices of the board can be expected to take jobs.
        share: Largest share of the night for re-runs; 0 makes none.
    """

    night: str
    deadline_ms: int | None
    now_ms: int
    usable: int
    share: float


class _Made(msgspec.Struct):
    """What is read of a result: the recipe in force."""

    recipe: dict[str, Any] = {}


def look_at(connection: Connection, assignment: Assignment, run: Run, terms: Terms) -> list[str]:
    """Looks at what a job's result makes of its series.

    Args:
        connection: Inside the transaction that took the result.
        assignment: The job of the kind ``measure``, which is done.
        run: Its result.
        terms: For re-runs.

    Returns:
        A line for each change that is suspected, and for each that needs no re-run.
    """
    job = assignment.job
    of = (job.board, run.device_id, job.model_path)
    since = datetime.fromtimestamp(terms.now_ms / 1000, UTC) - timedelta(days=WINDOW_DAYS)
    number = connection.execute(_RUN, {"of_job": assignment.id}).scalar_one()
    series = ended_by(series_of(connection, since.isoformat(), of), {number})
    earlier = decisions_of(connection, series, of)
    lines = []
    for key, nights in series.items():
        decisions = earlier.get(key, [])
        if key.metric in EXACT:
            decision = exact_decision(key, nights, decisions)
            if decision is not None:
                keep_decision(connection, key, nights, decision)
                lines.append(_line(assignment, key, decision.effect, "which is exact"))
            continue
        asked = _suspected(nights, decisions)
        asked = asked or _left_open(connection, assignment, key, nights, decisions)
        if asked is not None:
            why = _ask(connection, assignment, key, nights, asked, terms)
            lines.append(_line(assignment, key, asked.effect, f"suspected: {why}"))
    return lines


def _suspected(nights: Sequence[Night], decisions: Sequence[Decision]) -> Asked | None:
    """What the newest night makes one suspect; where the file changed, of that first."""
    values = [night.value for night in nights]
    first = changed_file(nights, max(1, len(nights) - MAX_AFTER), len(nights) - 1)
    at_file = None if first is None else asked_at(values, decisions, first)
    return at_file or asked_tonight(values, decisions)


def changed_file(nights: Sequence[Night], low: int, high: int) -> int | None:
    """The last night in a range, with both its ends, that has another file than the one before."""
    for index in range(high, low - 1, -1):
        if nights[index].file_sha256 != nights[index - 1].file_sha256:
            return index
    return None


def _line(assignment: Assignment, key: Key, effect: float, rest: str) -> str:
    model, device = PurePath(key.model_path).name, assignment.lease.device
    return f"{model} on {device}: {key.metric} {math.expm1(effect):+.1%}, {rest}"


def ask_again(
    connection: Connection,
    of: tuple[Key, Sequence[Night]],
    assignment: Assignment,
    asked: Asked,
    now_ms: int,
) -> None:
    """Has the run itself repeated, now that the file is known not to be the cause.

    Args:
        connection: Inside a transaction.
        of: The series, up to the suspected night.
        assignment: The re-run in turns, which is done.
        asked: What it was to tell.
        now_ms: The present moment.
    """
    key, nights = of
    done = assignment.job
    why = why_unknown(golden_noise(connection, assignment.lease.device, key.metric))
    options = _options(key, nights, asked, How.REPEAT, done.options["timing"])
    again = _job(done, assignment.lease.device, options, done.priority, asked)
    _add(connection, assignment.night, again, why, now_ms)


def _ask(
    connection: Connection,
    assignment: Assignment,
    key: Key,
    nights: Sequence[Night],
    asked: Asked,
    terms: Terms,
) -> str:
    """Makes the job that measures again, or writes down why that cannot be; says which."""
    job, device = assignment.job, assignment.lease.device
    old, new = nights[asked.old], nights[-1]
    # Energy is one figure a run, so that only runs can be compared.
    is_other = old.file_sha256 != new.file_sha256 and key.metric == "latency_us"
    how = How.TURNS if is_other else How.REPEAT
    why = ""
    if not terms.share:
        why = "measuring again is switched off in the plan (confirm_share = 0)"
    elif not (old.file_sha256 and new.file_sha256):
        why = "the result does not say which file was measured"
    elif how is How.REPEAT:
        why = why_unknown(golden_noise(connection, device, key.metric))
    text = connection.execute(select(RUNS.c.result).where(RUNS.c.id == new.run_id)).scalar_one()
    timing = msgspec.json.decode(text, type=_Made).recipe.get("run", {})
    budget_s = max(job.time_budget_s, MIN_BUDGET_S)
    has_time = not why and _has_time(connection, job.board, device, budget_s, terms)
    options = _options(key, nights, asked, how, timing)
    again = _job(job, device, options, FIRST if has_time else LAST, asked)
    _add(connection, terms.night, again, why, terms.now_ms)
    return why or "it is measured again"


def _add(connection: Connection, night: str, job: Job, why: str, now_ms: int) -> None:
    jobs.add_one(connection, night, job)
    if why:
        jobs.miss_one(connection, job.id_in(night), why, now_ms)


def _options(
    key: Key, nights: Sequence[Night], asked: Asked, how: How, timing: Mapping[str, Any]
) -> dict[str, Any]:
    """What a job of the kind ``confirm`` has to know."""
    old, new = nights[asked.old], nights[-1]
    return {
        "how": how.value,
        "variant": key.variant,
        "metric": key.metric,
        "run": new.run_id,
        "first_run": nights[asked.first].run_id,
        "old_run": old.run_id,
        "effect": asked.effect,
        "votes": list(asked.votes),
        "files": [old.file_sha256, new.file_sha256],
        "timing": dict(timing),
    }


def _job(of: Job, device: str, options: Mapping[str, Any], base: int, asked: Asked) -> Job:
    permille = min(_MAX_PERMILLE, round(1000 * abs(asked.effect)))
    bonus = permille + (_OTHER_FILE if options["how"] == How.TURNS else 0)
    is_first = base >= FIRST
    return Job(
        number=of.number,
        kind=Kind.CONFIRM,
        model_path=of.model_path,
        model_sha256=options["files"][1] or of.model_sha256,
        recipe=of.recipe,
        board=of.board,
        device=device,
        tags=of.tags,
        priority=(FIRST if is_first else LAST) + bonus,
        time_budget_s=max(of.time_budget_s, MIN_BUDGET_S),
        options=options,
    )


def _has_time(connection: Connection, board: str, device: str, budget_s: int, terms: Terms) -> bool:
    """Whether a re-run now keeps no job of the plan from being done before the deadline."""
    if terms.deadline_ms is None:
        return False  # nobody waits for a morning: the plan comes first
    waiting = (
        select(func.coalesce(func.sum(_J.time_budget_s), 0))
        .where(_J.night == terms.night, _J.state == State.PENDING.value, _J.board == board)
        .where(_J.kind == Kind.MEASURE.value)
    )
    here = connection.execute(waiting.where(_J.device == device)).scalar_one()
    anywhere = connection.execute(waiting.where(_J.device.is_(None))).scalar_one()
    needed_s = int(here) + int(anywhere) / max(1, terms.usable) + budget_s
    return terms.now_ms + 1000 * needed_s <= terms.deadline_ms


def _left_open(
    connection: Connection,
    assignment: Assignment,
    key: Key,
    nights: Sequence[Night],
    decisions: Sequence[Decision],
) -> Asked | None:
    """What an earlier night suspected and could not have measured again."""
    index = {night.run_id: number for number, night in enumerate(nights)}
    recent = {night.run_id for night in nights[-1 - LATE_NIGHTS : -1]}
    decided = {nights[one.night].run_id for one in decisions}
    given = {"of_device": assignment.lease.device, "of_path": key.model_path}
    open_ones = [json.loads(text) for text in connection.execute(_UNDONE, given).scalars()]
    for options in reversed(open_ones):
        is_here = (options["metric"], options["variant"]) == (key.metric, key.variant)
        known = {options["first_run"], options["old_run"]} <= index.keys()
        if not is_here or not known or options["run"] not in recent - decided:
            continue
        first = index[options["first_run"]]
        is_told = any(one.is_confirmed and one.night >= first for one in decisions)
        if is_told or len(nights) - first > LATE_NIGHTS:
            return None
        old = index[options["old_run"]]
        return Asked(first, old, options["effect"], tuple(options["votes"]))
    return None


def is_decided(connection: Connection, options: Mapping[str, Any]) -> bool:
    """Whether there is a decision on what a job of the kind ``confirm`` is about."""
    is_same = (CHANGES.c[name] == options[name] for name in ("run", "variant", "metric"))
    return connection.execute(select(CHANGES.c.run).where(*is_same)).first() is not None
