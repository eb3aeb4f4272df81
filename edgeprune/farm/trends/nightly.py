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
from edgeprune.history.farm_tables import CHANGES
from edgeprune.history.tables import FIGURES, RUNS

EXACT = {"instructions": 0.0005, "flash_bytes": 0.0}
"""Figures without noise, and the share by which a repetition may differ all the same."""

NOISY = ("latency_us", "energy_uj")

WORSE_WHEN_HIGHER = (*EXACT, *NOISY)


@dataclass(frozen=True)
class Key:
    """What makes a series.

    Attributes:
        board: Name of the board.
        device: What the device calls itself.
        model_path: The model as the plan names it; its content may change from night to night.
        variant: Name of the variant.
        metric: Key of the figure.
    """

    board: str
    device: str
    model_path: str
    variant: str
    metric: str


RerunOf = Callable[[Key, Night, Night], Rerun]
"""Measures side by side what two nights measured, the older one first."""


def series_of(connection: Connection) -> dict[Key, list[Night]]:
    """Every series of the deployed variants in the history, each oldest first."""
    runs, figures = RUNS.c, FIGURES.c
    statement = (
        select(runs.board, runs.device, runs.model_path, figures.variant, figures.metric, runs.id,
               runs.time_utc, figures.value, figures.file_sha256, figures.conditions)
        .join_from(RUNS, FIGURES, figures.run_id == runs.id)
        .where(figures.variant == "deployed", figures.metric.in_((*NOISY, *EXACT)))
        .order_by(runs.id)
    )  # fmt: skip
    series: dict[Key, list[Night]] = defaultdict(list)
    for row in connection.execute(statement):
        series[Key(*row[:5])].append(Night(*row[5:]))
    return dict(series)


def decisions_of(connection: Connection, key: Key, nights: Sequence[Night]) -> list[Decision]:
    """What became of earlier suspicions on a series, oldest first."""
    index = {night.run_id: number for number, night in enumerate(nights)}
    statement = select(CHANGES).where(*(CHANGES.c[name] == value for name, value in _row(key)))
    rows = connection.execute(statement.order_by(CHANGES.c.run)).mappings()
    return [_decision(row, index) for row in rows if {row["run"], row["first_run"]} <= set(index)]


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
    for key, nights in series_of(connection).items():
        if of_runs is not None and nights[-1].run_id not in of_runs:
            continue
        decision = _decided(key, nights, decisions_of(connection, key, nights), rerun)
        if decision is None:
            continue
        connection.execute(insert(CHANGES).values(_values(key, nights, decision)))
        if decision.is_confirmed:
            confirmed.append(key)
    return confirmed


def undecided(
    connection: Connection, of_runs: set[int]
) -> Iterator[tuple[Key, list[Night], Decision]]:
    """What tonight's runs make one suspect and nobody had re-run; of exact figures, what changed.

    A decision of an exact figure is confirmed, for a repetition would show the same; of others its
    ``rerun`` only repeats the suspicion and is not confirmed.
    """
    for key, nights in series_of(connection).items():
        if nights[-1].run_id in of_runs:
            earlier = decisions_of(connection, key, nights)
            decision = _decided(key, nights, earlier, lambda *_: Rerun(1.0, 1.0, False))
            if decision is not None:
                yield key, nights, decision


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


def _row(key: Key) -> list[tuple[str, str]]:
    return list(vars(key).items())


def _values(key: Key, nights: Sequence[Night], one: Decision) -> dict[str, object]:
    return {
        **vars(key),
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
