"""Every run ever made, in one SQLite file of the user's data folder.

``compare`` and ``farm report`` read it. Several processes may write at once: the file is in
write-ahead mode, and a writer waits for the others instead of failing.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import edgeprune
from edgeprune import paths
from edgeprune.errors import ConfigError
from edgeprune.report.result import validate

FILE_NAME = "history.sqlite"
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 20.0

_TABLE = """
CREATE TABLE runs (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    time_utc          TEXT NOT NULL,
    edgeprune_version TEXT NOT NULL,
    board             TEXT NOT NULL,
    device            TEXT NOT NULL,
    model_sha256      TEXT NOT NULL,
    model_path        TEXT NOT NULL,
    result            TEXT NOT NULL
) STRICT
"""
_COLUMNS = "id, time_utc, edgeprune_version, board, device, model_sha256, model_path, result"


@dataclass(frozen=True)
class Run:
    """One recorded run.

    Attributes:
        id: Its number, counted up from 1 and never used again.
        time_utc: When it was recorded, ISO 8601 with ``+00:00``.
        edgeprune_version: Which edgeprune recorded it.
        board: Name of the board.
        device: Id of the device.
        model_sha256: Digest of the user's model.
        model_path: The model as the user named it.
        result: The object of ``result.json``.
    """

    id: int
    time_utc: str
    edgeprune_version: str
    board: str
    device: str
    model_sha256: str
    model_path: str
    result: dict[str, Any]


def record(result: Mapping[str, Any]) -> int:
    """Adds a run.

    Args:
        result: A valid result, as from :func:`edgeprune.report.result.build_result`.

    Returns:
        The run's id.

    Raises:
        ConfigError: The result is not valid, or the history cannot be written.
    """
    validate(result)
    row = (
        datetime.now(UTC).isoformat(timespec="seconds"),
        edgeprune.__version__,
        result["board"],
        result["device"]["id"],
        result["model"]["sha256"],
        result["model"]["path"],
        json.dumps(result, ensure_ascii=False, allow_nan=False),
    )
    with _database() as database:
        cursor = database.execute(
            f"INSERT INTO runs ({_COLUMNS.removeprefix('id, ')}) VALUES (?, ?, ?, ?, ?, ?, ?)", row
        )
        if cursor.lastrowid is None:
            raise ConfigError(f"{_file()}: the run was not recorded")
        return cursor.lastrowid


def runs(limit: int = 20) -> list[Run]:
    """The newest runs, newest first.

    Args:
        limit: How many at most, 1 or more.

    Raises:
        ConfigError: ``limit`` is below 1, or the history cannot be read.
    """
    if limit < 1:
        raise ConfigError(f"limit must be 1 or more, got {limit}")
    with _database() as database:
        rows = database.execute(
            f"SELECT {_COLUMNS} FROM runs ORDER BY id DESC LIMIT ?", (limit,)
        ).fetchall()
    return [_run(row) for row in rows]


def alike(result: Mapping[str, Any], limit: int = 50) -> list[Run]:
    """The newest runs of a result's model on its device, newest first.

    Args:
        result: A valid result.
        limit: How many at most.

    Raises:
        ConfigError: The history cannot be read.
    """
    wanted = (result["model"]["sha256"], result["board"], result["device"]["id"], limit)
    with _database() as database:
        rows = database.execute(
            f"SELECT {_COLUMNS} FROM runs WHERE model_sha256 = ? AND board = ? AND device = ? "
            "ORDER BY id DESC LIMIT ?",
            wanted,
        ).fetchall()
    return [_run(row) for row in rows]


def run(number: int) -> Run:
    """The run with the id ``number``.

    Raises:
        ConfigError: There is no such run, or the history cannot be read.
    """
    with _database() as database:
        row = database.execute(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise ConfigError(f"{_file()}: no run has the number {number}")
    return _run(row)


def _file() -> Path:
    return paths.data_folder() / FILE_NAME


@contextlib.contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    """An open history inside one transaction, committed at the end of a block without error."""
    file = _file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # isolation_level None: we say BEGIN ourselves, since Python's own would start too late.
        connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            # IMMEDIATE: takes the write lock first, and so waits in line; a transaction that reads
            # first and writes later may be refused at once.
            connection.execute("BEGIN IMMEDIATE")
            _prepare(connection, file)
            yield connection
            connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(
            f"{file}: the history cannot be used: {error}; move the file away to start a new one"
        ) from error


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    """Makes the table in a new file, and refuses a file of another version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version != 0 or tables:
        raise ConfigError(
            f"{file}: a history of version {version}, expected {SCHEMA_VERSION}: use the edgeprune "
            "that wrote it, or move the file away to start a new one"
        )
    connection.execute(_TABLE)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _run(row: tuple[Any, ...]) -> Run:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    try:
        return Run(**values | {"result": json.loads(values["result"])})
    except json.JSONDecodeError as error:
        raise ConfigError(f"{_file()}: run {values['id']} is damaged: {error}") from error
