"""The series of all nights in the history, and what was decided on each."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Table,
    bindparam,
    insert,
    or_,
    select,
    text,
)

from edgeprune.farm.job import Kind
from edgeprune.farm.trends.confirmation import Rerun
from edgeprune.farm.trends.reasons import ACQUITTED, FILE, Night, reasons
from edgeprune.farm.trends.series import Decision, decided_tonight
from edgeprune.history.farm_tables import CHANGES, JOBS, RESULTS
from edgeprune.history.tables import FIGURES, READ_ALL, RUNS

EXACT = {"instructions": 0.0005, "flash_bytes": 0.0}
"""Figures without noise, and the share by which a repetition may differ all the same."""

NOISY = ("latency_us", "energy_uj")

WORSE_WHEN_HIGHER = (*EXACT, *NOISY)

_STORAGE = ("sparsity", "pattern", "quantize")
"""Options of a job that make another model of the same file."""


@dataclass(frozen=True)
class Key:
    """What makes a series.

    Attributes:
        board: Name of the board.
        device: What the device calls itself.
        model_path: The model as the plan names it; its content may change from night to night.
        recipe: What the farm made of it, as ``int8`` or ``auto, sparsity 0.9``; empty for a run
            that is none of the farm's.
        variant: Name of the variant.
        metric: Key of the figure.
    """

    board: str
    device: str
    model_path: str
    recipe: str
    variant: str
    metric: str


Series = dict[Key, list[Night]]
"""Figures by what they are of, oldest first."""

_OF = ("board", "device", "model_path")


def _given(of: tuple[str, str, str]) -> dict[str, str]:
    return {f"of_{name}": value for name, value in zip(_OF, of, strict=True)}


def _is_of(table: Table) -> list[ColumnElement[bool]]:
    return [table.c[name] == bindparam(f"of_{name}") for name in _OF]


# Statements are made once: SQLAlchemy takes longer to make one than SQLite to run it.
_R, _F = RUNS.c, FIGURES.c
_FIGURES = (
    select(_R.board, _R.device, _R.model_path, JOBS.c.recipe, JOBS.c.options, _F.variant,
           _F.metric, _R.id, _R.time_utc, _F.value, _F.file_sha256, _F.conditions)
    .join_from(RUNS, FIGURES, _F.run_id == _R.id)
    .join(RESULTS, RESULTS.c.run == _R.id, isouter=True)
    .join(JOBS, JOBS.c.job == RESULTS.c.job, isouter=True)
    .where(_F.variant == "deployed", or_(*(_F.metric == metric for metric in (*NOISY, *EXACT))))
    .where(_R.time_utc >= bindparam("since"), _F.value > 0)
    .where(JOBS.c.kind.is_(None) | (JOBS.c.kind != Kind.CONFIRM.value))
    .order_by(_R.id)
)  # fmt: skip
_FIGURES_BY_INDEX = _FIGURES.with_hint(RUNS, READ_ALL, "sqlite")
_FIGURES_OF = _FIGURES.where(*_is_of(RUNS))
_CHANGES = select(CHANGES).order_by(CHANGES.c.run)
_CHANGES_OF = _CHANGES.where(*_is_of(CHANGES))


def series_of(
    connection: Connection, since_utc: str = "", of: tuple[str, str, str] | None = None
) -> Series:
    """Every series of the deployed variants in the history, but for what re-runs measured.

    Args:
        connection: To the history.
        since_utc: Leaves out what was recorded before, ISO 8601; nothing if empty.
        of: Board, device and model's path, of which alone series are wanted; None for all.
    """
    statement, given = (_FIGURES, {}) if of is None else (_FIGURES_OF, _given(of))
    if of is None and has_index(connection):
        statement = _FIGURES_BY_INDEX
    # A year has some 100,000 rows, which say the same few things again and again.
    names: dict[tuple[str | None, str | None], str] = {}
    texts: dict[str, str] = {}
    series: Series = defaultdict(list)
    for (board, device, path, recipe, options, variant, metric, run, time_utc, value, sha256,
         conditions) in connection.execute(statement, given | {"since": since_utc}):  # fmt: skip
        made = names.get((recipe, options))
        if made is None:
            made = names[recipe, options] = recipe_in_words(recipe or "", options or "{}")
        night = Night(run, time_utc, value, texts.setdefault(sha256, sha256),
                      texts.setdefault(conditions, conditions))  # fmt: skip
        series[Key(board, device, path, made, variant, metric)].append(night)
    return dict(series)


def has_index(connection: Connection) -> bool:
    """Whether the history has what :data:`READ_ALL` names; an older one on a full disk has not."""
    if connection.dialect.name != "sqlite":
        return False
    asked = text("SELECT 1 FROM sqlite_master WHERE name = :name")
    return connection.execute(asked, {"name": READ_ALL.split()[-1]}).first() is not None


def recipe_in_words(recipe: str, options: str) -> str:
    """A job's recipe with the values that the plan put in place of the recipe's.

    Args:
        recipe: Name of a recipe or its file.
        options: Of the job, as JSON.

    >>> recipe_in_words("auto", '{"effort": "full", "sparsity": 0.9}')
    'auto, sparsity 0.9'
    """
    values = json.loads(options)
    return ", ".join([recipe, *(f"{key} {values[key]}" for key in _STORAGE if key in values)])


def decisions_of(
    connection: Connection, series: Series, of: tuple[str, str, str] | None = None
) -> dict[Key, list[Decision]]:
    """What became of earlier suspicions, oldest first, where there were any.

    Args:
        connection: To the history.
        series: The series.
        of: What all of them are of, as for :func:`series_of`.
    """
    statement, given = (_CHANGES, {}) if of is None else (_CHANGES_OF, _given(of))
    rows = connection.execute(statement, given).mappings()
    of_run = defaultdict(list)
    for row in rows:
        of_run[row["run"], row["metric"]].append(row)
    decisions = {}
    for key, nights in series.items():
        index = {night.run_id: number for number, night in enumerate(nights)}
        found = [
            _decision(row, index)
            for run in index
            for row in of_run.get((run, key.metric), ())
            if row["first_run"] in index and row["variant"] == key.variant
        ]
        if found:
            decisions[key] = found
    return decisions


def ended_by(series: Series, runs: set[int]) -> Series:
    """The series that have one of these runs, each up to the newest of them."""
    ended = {}
    for key, nights in series.items():
        ends = [number for number, night in enumerate(nights) if night.run_id in runs]
        if ends:
            ended[key] = nights[: ends[-1] + 1]
    return ended


def undecided(connection: Connection, series: Series) -> Iterator[tuple[Key, Decision]]:
    """What the newest nights make suspect and nobody decided on; of exact figures, what changed.

    A decision of an exact figure is confirmed, for a repetition would show the same; of others its
    ``rerun`` shows nothing.
    """
    earlier = decisions_of(connection, series)
    for key, nights in series.items():
        decisions = earlier.get(key, [])
        if any(one.night == len(nights) - 1 for one in decisions):
            continue
        if key.metric in EXACT:
            decision = exact_decision(key, nights, decisions)
        else:
            values = [night.value for night in nights]
            decision = decided_tonight(values, decisions, lambda *_: Rerun(1.0, 1.0, False))
        if decision is not None:
            yield key, decision


def exact_decision(
    key: Key, nights: Sequence[Night], earlier: Sequence[Decision]
) -> Decision | None:
    """What the newest night shows of a figure without noise; None where it is as it was."""
    newest = len(nights) - 1
    if newest == 0 or any(one.night == newest for one in earlier):
        return None
    old, new = nights[-2].value, nights[-1].value
    if abs(new - old) <= EXACT[key.metric] * old:
        return None
    effect, rerun = math.log(new / old), Rerun(new / old, 0.0, True)
    return Decision(newest, newest, newest - 1, effect, ("exact",), rerun)


def keep_decision(
    connection: Connection,
    key: Key,
    nights: Sequence[Night],
    decision: Decision,
    job: str | None = None,
    *,
    acquits_file: bool = False,
) -> None:
    """Writes a decision, of which there is one for a figure of a run.

    Args:
        connection: Inside a transaction.
        key: Of the series.
        nights: The series up to the decision's night.
        decision: What became of the suspicion.
        job: The re-run, or None where none was needed.
        acquits_file: Old and new file were measured side by side, and take the same.
    """
    why = reasons(nights, decision.first)
    if acquits_file:
        why = [ACQUITTED if line == FILE else line for line in why]
    values = _values(key, nights, decision) | {"reasons": json.dumps(why, ensure_ascii=False)}
    connection.execute(insert(CHANGES).values(**values, job=job))


def _values(key: Key, nights: Sequence[Night], one: Decision) -> dict[str, object]:
    of = {name: value for name, value in vars(key).items() if name != "recipe"}  # runs have it
    return {
        **of,
        "run": nights[one.night].run_id,
        "first_run": nights[one.first].run_id,
        "old_run": nights[one.old].run_id,
        "effect": one.effect,
        "factor": one.rerun.factor,
        "p_value": one.rerun.p_value,
        "is_confirmed": int(one.is_confirmed),
        "votes": json.dumps(one.votes),
    }


def _decision(row: RowMapping, index: dict[int, int]) -> Decision:
    first = index[row["first_run"]]
    return Decision(
        night=index[row["run"]],
        first=first,
        old=index.get(row["old_run"], max(0, first - 1)),
        effect=row["effect"],
        votes=tuple(json.loads(row["votes"])),
        rerun=Rerun(row["factor"], row["p_value"], bool(row["is_confirmed"])),
    )
