"""Looks at every series of a night, has suspicions re-run, and keeps what came of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, insert, select

from edgeprune.farm.trends.confirmation import Rerun
from edgeprune.farm.trends.reasons import Night, reasons
from edgeprune.farm.trends.series import Decision, decided_tonight
from edgeprune.history.farm_tables import CHANGES, JOBS, RESULTS
from edgeprune.history.tables import FIGURES, RUNS

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

RerunOf = Callable[[Key, Night, Night], Rerun]
"""Measures side by side what two nights measured, the older one first."""


def series_of(connection: Connection, since_utc: str = "") -> Series:
    """Every series of the deployed variants in the history.

    Args:
        connection: To the history.
        since_utc: Leaves out what was recorded before, ISO 8601; nothing if empty.
    """
    runs, figures = RUNS.c, FIGURES.c
    statement = (
        select(runs.board, runs.device, runs.model_path, JOBS.c.recipe, JOBS.c.options,
               figures.variant, figures.metric, runs.id, runs.time_utc, figures.value,
               figures.file_sha256, figures.conditions)
        .join_from(RUNS, FIGURES, figures.run_id == runs.id)
        .join(RESULTS, RESULTS.c.run == runs.id, isouter=True)
        .join(JOBS, JOBS.c.job == RESULTS.c.job, isouter=True)
        .where(figures.variant == "deployed", figures.metric.in_((*NOISY, *EXACT)))
        .where(runs.time_utc >= since_utc)
        .order_by(runs.id)
    )  # fmt: skip
    # A year has some 100,000 rows, which say the same few things again and again.
    names: dict[tuple[str | None, str | None], str] = {}
    texts: dict[str, str] = {}
    series: Series = defaultdict(list)
    for (board, device, path, recipe, options, variant, metric, run, time_utc, value, sha256,
         conditions) in connection.execute(statement):  # fmt: skip
        made = names.get((recipe, options))
        if made is None:
            made = names[recipe, options] = recipe_in_words(recipe or "", options or "{}")
        night = Night(run, time_utc, value, texts.setdefault(sha256, sha256),
                      texts.setdefault(conditions, conditions))  # fmt: skip
        series[Key(board, device, path, made, variant, metric)].append(night)
    return dict(series)


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


def decisions_of(connection: Connection, series: Series) -> dict[Key, list[Decision]]:
    """What became of earlier suspicions, oldest first, where there were any."""
    rows = connection.execute(select(CHANGES).order_by(CHANGES.c.run)).mappings()
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


def look(connection: Connection, rerun: RerunOf, of_runs: set[int] | None = None) -> list[Key]:
    """Goes through every series whose newest run is of tonight, and keeps each decision.

    Args:
        connection: Inside a transaction.
        rerun: Has old and new measured side by side.
        of_runs: Numbers of tonight's runs; None for every series.

    Returns:
        The series in which a change was confirmed.
    """
    confirmed = []
    series = series_of(connection)
    earlier = decisions_of(connection, series)
    for key, nights in series.items():
        if of_runs is not None and nights[-1].run_id not in of_runs:
            continue
        decision = _decided(key, nights, earlier.get(key, []), rerun)
        if decision is None:
            continue
        connection.execute(insert(CHANGES).values(_values(key, nights, decision)))
        if decision.is_confirmed:
            confirmed.append(key)
    return confirmed


def ended_by(series: Series, runs: set[int]) -> Series:
    """The series that have one of these runs, each up to the newest of them."""
    ended = {}
    for key, nights in series.items():
        ends = [number for number, night in enumerate(nights) if night.run_id in runs]
        if ends:
            ended[key] = nights[: ends[-1] + 1]
    return ended


def undecided(connection: Connection, series: Series) -> Iterator[tuple[Key, Decision]]:
    """What the newest nights make suspect and nobody had re-run; of exact figures, what changed.

    A decision of an exact figure is confirmed, for a repetition would show the same; of others its
    ``rerun`` only repeats the suspicion and is not confirmed.
    """
    earlier = decisions_of(connection, series)
    for key, nights in series.items():
        decision = _decided(key, nights, earlier.get(key, []), lambda *_: Rerun(1.0, 1.0, False))
        if decision is not None:
            yield key, decision


def _decided(
    key: Key, nights: Sequence[Night], earlier: Sequence[Decision], rerun: RerunOf
) -> Decision | None:
    newest = len(nights) - 1
    if any(one.night == newest for one in earlier):
        return None  # looked at before
    values = [night.value for night in nights]
    if key.metric not in EXACT:
        return decided_tonight(
            values, earlier, lambda old, new: rerun(key, nights[old], nights[new])
        )
    if newest == 0 or abs(values[-1] - values[-2]) <= EXACT[key.metric] * values[-2]:
        return None
    factor = values[-1] / values[-2]
    return Decision(newest, newest, newest - 1, factor - 1, ("exact",), Rerun(factor, 0.0, True))


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
        "reasons": json.dumps(reasons(nights, one.first), ensure_ascii=False),
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
