"""What a re-run shows: the decision on a suspected change, or why there still is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from sqlalchemy import Connection

from edgeprune.farm.executor import Assignment, Ending
from edgeprune.farm.job import How
from edgeprune.farm.trends.confirmation import Rerun, judged
from edgeprune.farm.trends.nightly import Key, decisions_of, ended_by, keep_decision, series_of
from edgeprune.farm.trends.reasons import Night
from edgeprune.farm.trends.repeats import MIN_NIGHTS, golden_noise, judged_repeats, why_unknown
from edgeprune.farm.trends.series import SAME_PLACE, Asked, answered, level_begin
from edgeprune.farm.trends.watch import ask_again, changed_file, is_decided
from edgeprune.significance.shift import MIN_SESSIONS

Of = tuple[Key, Sequence[Night]]


def decide(
    connection: Connection, assignment: Assignment, ending: Ending, now_ms: int
) -> tuple[str, bool]:
    """Decides on what a job of the kind ``confirm`` was to tell.

    Args:
        connection: Inside the transaction that took its result.
        assignment: The job, which is done.
        ending: With a result.
        now_ms: The present moment.

    Returns:
        What it shows, or why it shows nothing, in one line; and whether it stays open.
    """
    line, is_open = _decided(connection, assignment, ending, now_ms)
    job = assignment.job
    name = f"{PurePath(job.model_path).name} on {assignment.lease.device}: {job.options['metric']}"
    return (line if is_open else f"{name} {line}"), is_open


def _decided(
    connection: Connection, assignment: Assignment, ending: Ending, now_ms: int
) -> tuple[str, bool]:
    options, run = assignment.job.options, ending.run
    if run is None or is_decided(connection, options):
        return "was decided on before", False
    of = _series(connection, assignment, run.device_id)
    if of is None:
        return f"the nights that it is about are not those of the device {run.device_id}", True
    _, nights = of
    index = {night.run_id: number for number, night in enumerate(nights)}
    if not {options["first_run"], options["old_run"]} <= index.keys():
        return "the runs that it is about are not in the history any more", True
    asked = Asked(
        index[options["first_run"]],
        index[options["old_run"]],
        options["effect"],
        tuple(options["votes"]),
    )
    if options["how"] == How.TURNS:
        return _by_turns(connection, assignment, ending, (of, asked), now_ms)
    return _by_repeats(connection, assignment, ending, (of, asked))


def _by_turns(
    connection: Connection,
    assignment: Assignment,
    ending: Ending,
    about: tuple[Of, Asked],
    now_ms: int,
) -> tuple[str, bool]:
    (key, nights), asked = about
    runs = (*ending.beside, ending.run)
    sides = [one.sessions.get(key.metric, ()) for one in runs if one is not None]
    if len(sides) != 2 or min(map(len, sides)) < MIN_SESSIONS:
        return "measured again, too few processes were valid: see the validity of that run", True
    rerun = judged(*sides)
    if not rerun.is_confirmed and nights[asked.old].conditions != nights[-1].conditions:
        # Both files are alike today; what changed beside them is not undone by a re-run.
        ask_again(connection, (key, nights), assignment, asked, now_ms)
        return "is the same for both files; what changed beside them is measured next", False
    return _kept(connection, assignment, about, rerun), False


def _by_repeats(
    connection: Connection, assignment: Assignment, ending: Ending, about: tuple[Of, Asked]
) -> tuple[str, bool]:
    (key, nights), asked = about
    runs = [one for one in (*ending.beside, ending.run) if one is not None]
    figures = [(one.value, one.conditions) for run in runs for one in run.figures
               if (one.variant, one.metric) == (key.variant, key.metric)]  # fmt: skip
    if len(figures) < len(runs):
        return "measured again, the figure was not valid: see the validity of that run", True
    if any(conditions != nights[-1].conditions for _, conditions in figures):
        return "the device runs in other conditions than when it was measured", True
    noise = golden_noise(connection, assignment.lease.device, key.metric)
    if why := why_unknown(noise):
        return why, True
    of = (key.board, key.device, key.model_path)
    decisions = decisions_of(connection, {key: list(nights)}, of).get(key, [])
    values = [night.value for night in nights]
    before = values[level_begin(values, decisions, asked.first) : asked.first]
    if len(before) < MIN_NIGHTS:
        return f"the level before it lasted {len(before)} nights, too few to compare with", True
    rerun = judged_repeats(before, [one for one, _ in figures], noise)
    old, new = assignment.job.options["files"]
    is_acquitted = old != new and key.metric == "latency_us"
    return _kept(connection, assignment, about, rerun, acquits_file=is_acquitted), False


def _kept(
    connection: Connection,
    assignment: Assignment,
    about: tuple[Of, Asked],
    rerun: Rerun,
    *,
    acquits_file: bool = False,
) -> str:
    """Writes the decision down; says it."""
    (key, nights), asked = about
    first = None
    if assignment.job.options["how"] == How.TURNS:  # it is the file, so that its night is known
        low, high = max(1, asked.first - SAME_PLACE), min(asked.first + SAME_PLACE, len(nights) - 1)
        first = changed_file(nights, low, high)
    decision = answered([night.value for night in nights], asked, rerun, first)
    keep_decision(connection, key, nights, decision, assignment.id, acquits_file=acquits_file)
    word = "confirmed" if rerun.is_confirmed else "denied"
    return f"{rerun.factor - 1:+.1%}, {word} by measuring again"


def _series(connection: Connection, assignment: Assignment, device_id: str) -> Of | None:
    """The series that a re-run is about, up to the suspected night."""
    job = assignment.job
    of = (job.board, device_id, job.model_path)
    series = ended_by(series_of(connection, of=of), {job.options["run"]})
    wanted = (job.options["variant"], job.options["metric"])
    fitting = [
        (key, nights) for key, nights in series.items() if (key.variant, key.metric) == wanted
    ]
    return fitting[0] if fitting else None
