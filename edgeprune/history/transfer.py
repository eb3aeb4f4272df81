"""Takes runs out of a history and into another one, as JSON lines: a run a line, oldest first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy import Connection, insert, select

from edgeprune.errors import ConfigError
from edgeprune.files.read_file import parse_json
from edgeprune.history import database, postgres
from edgeprune.history.figures import figure_rows
from edgeprune.history.place import PostgresDatabase, place
from edgeprune.history.queries import values_of
from edgeprune.history.result_file import parse_result
from edgeprune.history.tables import FIGURES, RUNS

SCHEMA = 1
_KEYS = {"schema", "time_utc", "edgeprune_version", "result"}


def export_runs(file: BinaryIO) -> int:
    """Writes all runs of the history.

    Args:
        file: Takes a line a run: an object of ``schema`` (1), ``time_utc``, ``edgeprune_version``
            and ``result``. Numbers are a history's own and stay behind.

    Returns:
        How many runs were written.

    Raises:
        ConfigError: The history cannot be read, or a run is damaged.
    """
    count, where = 0, place()
    with database.reading(where) as connection:
        if connection is None:
            return 0
        rows = connection.execution_options(yield_per=50).execute(select(RUNS).order_by(RUNS.c.id))
        for row in rows.mappings():
            line = {"schema": SCHEMA} | {key: row[key] for key in ("time_utc", "edgeprune_version")}
            line["result"] = parse_json(str(row["result"]), f"{where}: run {row['id']} is damaged")
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            count += 1
    return count


def import_runs(lines: Iterable[bytes], name: str) -> tuple[int, int]:
    """Adds the runs that the history lacks, all of them or none.

    A run is there already where one of the same time has exactly the same result.

    Args:
        lines: As :func:`export_runs` writes them.
        name: Where they are from, for messages.

    Returns:
        How many runs were added, and how many were there.

    Raises:
        ConfigError: A line is no run, or the history cannot be written.
    """
    added, known, where = 0, 0, place()
    with database.writing(where) as connection:
        if isinstance(where, PostgresDatabase):
            postgres.lock_out_writers(connection)
        for values, figures in _read(lines, name):
            if _is_there(connection, values):
                known += 1
                continue
            key = connection.execute(insert(RUNS).values(values)).inserted_primary_key
            if key is None:
                raise ConfigError(f"{where}: a run was not recorded")
            if figures:
                rows = [{"run_id": int(key[0])} | figure for figure in figures]
                connection.execute(insert(FIGURES), rows)
            added += 1
    return added, known


def _read(
    lines: Iterable[bytes], name: str
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Rows of the two tables, without the run's number.

    Raises:
        ConfigError: A line is no run.
    """
    for number, line in enumerate(lines, start=1):
        subject = f"{name}: line {number}"
        if not line.strip():
            continue
        try:
            document = parse_json(line.decode(), subject)
        except UnicodeDecodeError as error:
            raise ConfigError(f"{subject}: is not UTF-8") from error
        if not isinstance(document, dict) or set(document) != _KEYS:
            raise ConfigError(f"{subject}: expected an object of {', '.join(sorted(_KEYS))}")
        if document["schema"] != SCHEMA:
            raise ConfigError(f"{subject}: schema must be {SCHEMA}, got {document['schema']!r:.40}")
        texts = {key: document[key] for key in ("time_utc", "edgeprune_version")}
        _check_texts(texts, subject)
        try:
            result = parse_result(document["result"])
        except ConfigError as error:
            raise ConfigError(f"{subject}: {error}") from error
        yield values_of(result) | texts, figure_rows(result)


def _check_texts(texts: dict[str, Any], subject: str) -> None:
    for key, text in texts.items():
        if not isinstance(text, str) or not 0 < len(text) <= 100:
            raise ConfigError(f"{subject}: {key} must be a short text, got {text!r:.80}")
    try:
        is_utc = datetime.fromisoformat(texts["time_utc"]).utcoffset() is not None
    except ValueError:
        is_utc = False
    if not is_utc:
        raise ConfigError(
            f"{subject}: time_utc must be ISO 8601 with +00:00, got {texts['time_utc']!r:.80}"
        )


def _is_there(connection: Connection, values: dict[str, Any]) -> bool:
    keys = ("model_sha256", "board", "device", "time_utc")
    statement = select(RUNS.c.result).where(*(RUNS.c[key] == values[key] for key in keys))
    return any(text == values["result"] for text in connection.execute(statement).scalars())
