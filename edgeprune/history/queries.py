"""What is asked of the history and put into it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, insert, inspect, select

from edgeprune.errors import ConfigError
from edgeprune.files.read_file import parse_json
from edgeprune.history import database, postgres, sqlite_file
from edgeprune.history.figures import CONTROLS, Repeat, figure_rows
from edgeprune.history.place import Place, PostgresDatabase, place
from edgeprune.history.result import Result
from edgeprune.history.result_file import parse_result, plain
from edgeprune.history.run import Run
from edgeprune.history.tables import FIGURES, RUNS
from edgeprune.version import __version__

_PROBE_ID = 0
"""Number of a row that never stays: an explicit one takes none from the count."""


def record(result: Result) -> int:
    """Adds a run; see :func:`edgeprune.history.record`."""
    with database.writing(place()) as connection:
        return inserted(connection, result)


def record_once(result: Result) -> tuple[int, bool]:
    """Adds a run unless it is there; see :func:`edgeprune.history.record_once`."""
    values, where = values_of(result), place()
    with database.writing(where) as connection:
        if isinstance(where, PostgresDatabase):
            postgres.lock_out_writers(connection)
        number = _number_of(connection, values)
        return (inserted(connection, result), True) if number is None else (number, False)


def inserted(connection: Connection, result: Result, time_utc: str = "") -> int:
    """Adds a run with its figures inside a transaction of the caller's.

    Args:
        connection: Inside a transaction.
        result: A valid result.
        time_utc: When it was recorded, ISO 8601; now if empty.

    Returns:
        The run's id.

    Raises:
        ConfigError: The result is not valid.
    """
    values = values_of(result)
    key = connection.execute(
        insert(RUNS).values(values | ({"time_utc": time_utc} if time_utc else {}))
    ).inserted_primary_key
    if key is None:
        raise ConfigError(f"{place()}: the run was not recorded")
    number = int(key[0])
    if figures := figure_rows(result):
        connection.execute(insert(FIGURES), [{"run_id": number} | row for row in figures])
    return number


def trouble() -> str:
    """Why a run could not be recorded now; see :func:`edgeprune.history.trouble`."""
    try:
        where = place()
    except ConfigError as error:
        return str(error)
    try:
        return _trouble_at(where)
    except OSError as error:
        return f"{where}: the history cannot be used: {error.strerror or error}"
    except ConfigError as error:
        return str(error)


def _trouble_at(where: Place) -> str:
    if isinstance(where, PostgresDatabase):
        return _trouble_of_writing(where)
    if line := sqlite_file.trouble_before_opening(where):
        return line
    line = _trouble_of_writing(where) if where.path.exists() else ""
    return line or sqlite_file.little_room(where)


def runs(limit: int) -> list[Run]:
    """The newest runs; see :func:`edgeprune.history.runs`."""
    return _read(limit=limit)


def alike(result: Result, limit: int) -> list[Run]:
    """The newest runs of a model on a device; see :func:`edgeprune.history.alike`."""
    return _read(*_same_model_and_device(result), limit=limit)


def repeats(board: str, device: str, metric: str) -> list[Repeat]:
    """Figures of files on a device; see :func:`edgeprune.history.repeats`."""
    figures, on_device = FIGURES.c, (RUNS.c.board == board, RUNS.c.device == device)
    is_asked = (figures.metric == metric, figures.file_sha256 != "")
    statement = (
        select(RUNS.c.id, RUNS.c.time_utc, figures.file_sha256, figures.conditions, figures.value)
        .join_from(RUNS, FIGURES, figures.run_id == RUNS.c.id)
        .where(*on_device, *is_asked)
        .order_by(RUNS.c.id)
    )
    return _repeats(statement)


def ratios(board: str, device: str) -> list[Repeat]:
    """Times of files beside their controls; see :func:`edgeprune.history.ratios`."""
    deployed, control = FIGURES.alias(), FIGURES.alias()
    one, other = deployed.c, control.c
    same_run = (RUNS.c.id == one.run_id, other.run_id == one.run_id)
    are_times = (one.metric == "latency_us", other.metric == "latency_us")
    are_files = (one.variant == "deployed", other.variant.in_(CONTROLS))
    are_known = (one.file_sha256 != "", other.file_sha256 != "")
    statement = (
        select(
            RUNS.c.id,
            RUNS.c.time_utc,
            one.file_sha256 + " " + other.file_sha256,
            one.conditions,
            one.value / other.value,
        )
        .where(RUNS.c.board == board, RUNS.c.device == device)
        .where(*same_run, *are_times, *are_files, *are_known)
        .order_by(RUNS.c.id)
    )
    return _repeats(statement)


def run(number: int) -> Run:
    """The run of a number; see :func:`edgeprune.history.run`."""
    runs_of_number = _read(RUNS.c.id == number, limit=1)
    if not runs_of_number:
        raise ConfigError(f"{place()}: no run has the number {number}")
    return runs_of_number[0]


def _repeats(statement: Select[Any]) -> list[Repeat]:
    with database.reading(place()) as connection:
        if connection is None or not inspect(connection).has_table(FIGURES.name):
            return []  # of an older edgeprune, on a disk that cannot be written
        return [Repeat(*row) for row in connection.execute(statement)]


class _Undone(Exception):
    """Ends a transaction of which nothing is to stay."""


def _trouble_of_writing(where: Place) -> str:
    try:
        with database.writing(where, database.PROBE_TIMEOUT_S) as connection:
            empty = {column.name: "" for column in RUNS.columns} | {"id": _PROBE_ID}
            connection.execute(insert(RUNS).values(empty))
            raise _Undone
    except _Undone:
        return ""


def values_of(result: Result) -> dict[str, Any]:
    """The row of the table of runs, recorded now, without its number.

    Raises:
        ConfigError: The result is not valid.
    """
    document = plain(result)
    parse_result(document)
    return {
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "edgeprune_version": __version__,
        "board": result.board,
        "device": result.device.id,
        "model_sha256": result.model.sha256,
        "model_path": result.model.path,
        "result": json.dumps(document, ensure_ascii=False, allow_nan=False),
    }


def _number_of(connection: Connection, values: dict[str, Any]) -> int | None:
    """The newest run of exactly this result; None where there is none."""
    keys = ("model_sha256", "board", "device")
    same_device = [RUNS.c[key] == values[key] for key in keys]
    statement = select(RUNS.c.id, RUNS.c.result).where(*same_device).order_by(RUNS.c.id.desc())
    document = json.loads(values["result"])
    for number, text in connection.execute(statement):
        with contextlib.suppress(ValueError):  # a damaged run is no reason against another one
            if text == values["result"] or json.loads(text) == document:
                return int(number)
    return None


def _same_model_and_device(result: Result) -> tuple[ColumnElement[bool], ...]:
    """What the index of the table is for."""
    return (
        RUNS.c.model_sha256 == result.model.sha256,
        RUNS.c.board == result.board,
        RUNS.c.device == result.device.id,
    )


def _read(*conditions: ColumnElement[bool], limit: int) -> list[Run]:
    """Runs that meet all conditions, newest first; a history that is not there has none."""
    where = place()
    with database.reading(where) as connection:
        if connection is None:
            return []
        return list(_runs(connection, where, *conditions, limit=limit))


def _runs(
    connection: Connection,
    where: Place,
    *conditions: ColumnElement[bool],
    limit: int | None = None,
) -> Iterator[Run]:
    statement = select(RUNS).where(*conditions).order_by(RUNS.c.id.desc()).limit(limit)
    for row in connection.execute(statement).mappings():
        yield run_of(row, where)


def run_of(row: RowMapping | dict[str, Any], where: Place) -> Run:
    """A row of the table as a run.

    Raises:
        ConfigError: Its result is damaged.
    """
    subject = f"{where}: run {row['id']} is damaged"
    document = parse_json(str(row["result"]), subject)
    try:
        result = parse_result(document)
    except ConfigError as error:
        raise ConfigError(f"{subject}: {error}") from error
    return Run(**{**row, "result": result})
