"""What changed in a night: what was decided on, and what is still suspected, with the reason."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, select

from edgeprune.farm.job import How, Kind, State
from edgeprune.farm.trends.nightly import WORSE_WHEN_HIGHER, Key, Series, undecided
from edgeprune.farm.trends.reasons import Night, reasons
from edgeprune.farm.trends.series import Decision
from edgeprune.history.farm_tables import CHANGES, JOBS, RESULTS
from edgeprune.morning.data import Change

_WAITS = {
    State.PENDING.value: "it waits to be measured again",
    State.RUNNING.value: "it is being measured again",
}

_Of = dict[tuple[int, str], tuple[Key, list[Night]]]
"""The series of each figure of a run."""


def changes(connection: Connection, night: str, series: Series, runs: set[int]) -> list[Change]:
    """What the night's runs changed.

    Args:
        connection: To the history.
        night: The night's name.
        series: Those that end with the night.
        runs: The night's runs, but for those of golden models, which only judge their devices.
    """
    of = {(one.run_id, key.metric): (key, all_) for key, all_ in series.items() for one in all_}
    told = [*_decided(connection, of, runs)]
    known = {(one.run, one.metric) for one in told}
    told += _measured_again(connection, night, of, known)
    known |= {(one.run, one.metric) for one in told}
    ours = {key: nights for key, nights in series.items() if nights[-1].run_id in runs}
    for key, one in undecided(connection, ours):
        if (ours[key][one.night].run_id, key.metric) not in known:
            told.append(_undecided(key, ours[key], one))
    return told


def _decided(connection: Connection, of: _Of, runs: set[int]) -> Iterator[Change]:
    rows = connection.execute(
        select(CHANGES, RESULTS.c.run.label("rerun"))
        .join_from(CHANGES, RESULTS, RESULTS.c.job == CHANGES.c.job, isouter=True)
        .order_by(CHANGES.c.run)
    ).mappings()
    names = ("model_path", "board", "device", "metric", "p_value", "run", "first_run", "old_run")
    for row in rows:
        if row["run"] in runs:
            series = of.get((row["run"], row["metric"]))
            yield Change(
                **{name: row[name] for name in (*names, "rerun")},
                recipe="" if series is None else series[0].recipe,
                percent=100 * (row["factor"] - 1),
                verdict=verdict(row["metric"], row["factor"]) if row["is_confirmed"] else "denied",
                reasons=tuple(json.loads(row["reasons"])),
            )


def _measured_again(
    connection: Connection, night: str, of: _Of, known: set[tuple[int, str]]
) -> Iterator[Change]:
    """What re-runs of the night left open, or have not come to."""
    statement = (
        select(JOBS, RESULTS.c.run.label("rerun"))
        .join_from(JOBS, RESULTS, RESULTS.c.job == JOBS.c.job, isouter=True)
        .where(JOBS.c.night == night, JOBS.c.kind == Kind.CONFIRM.value)
    )
    newest: dict[tuple[int, str], tuple[RowMapping, Mapping[str, Any]]] = {}
    for row in connection.execute(statement).mappings():
        options = json.loads(row["options"])
        place = (options["run"], options["metric"])
        if place in of and place not in known:  # a repetition follows side by side
            if place not in newest or options["how"] == How.REPEAT:
                newest[place] = (row, options)
    for place, (job, options) in newest.items():
        key, nights = of[place]
        index = {one.run_id: number for number, one in enumerate(nights)}
        yield Change(
            **{name: options[name] for name in ("metric", "run", "first_run", "old_run")},
            **{name: getattr(key, name) for name in ("model_path", "recipe", "board", "device")},
            percent=100 * math.expm1(options["effect"]),
            p_value=None,
            verdict="suspected",
            reasons=tuple(reasons(nights, index.get(options["first_run"], 0))),
            open_reason=_WAITS.get(job["state"], job["message"]),
            rerun=job["rerun"],
        )


def _undecided(key: Key, nights: list[Night], one: Decision) -> Change:
    """What is counted and changed, or what no scheduler had a look at."""
    factor = one.rerun.factor if one.is_confirmed else math.exp(one.effect)
    return Change(
        model_path=key.model_path,
        recipe=key.recipe,
        board=key.board,
        device=key.device,
        metric=key.metric,
        percent=100 * (factor - 1),
        p_value=0.0 if one.is_confirmed else None,
        verdict=verdict(key.metric, factor) if one.is_confirmed else "suspected",
        reasons=tuple(reasons(nights, one.first)),
        open_reason=None if one.is_confirmed else "nobody had it measured again",
        run=nights[one.night].run_id,
        first_run=nights[one.first].run_id,
        old_run=nights[one.old].run_id,
    )


def verdict(metric: str, factor: float) -> Literal["worse", "better"]:
    """Whether a confirmed change is for the worse."""
    return "worse" if (factor > 1) == (metric in WORSE_WHEN_HIGHER) else "better"
