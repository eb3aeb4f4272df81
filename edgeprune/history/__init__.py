"""Every run ever made, in one SQLite file of the user's data folder.

``compare`` and ``farm report`` read it. Several processes may write at once: the file is in
write-ahead mode, and a writer waits for the others instead of failing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.files.read_file import parse_json
from edgeprune.history.result import Result
from edgeprune.history.result_file import parse_result, plain
from edgeprune.version import __version__

FILE_NAME = "history.sqlite"
SCHEMA_VERSION = 1

BUSY_TIMEOUT_S = 60.0
"""How long a writer waits for the others; one takes some 20 ms. Source: ours."""

PROBE_TIMEOUT_S = 5.0
"""How long the probe at a run's start waits. Source: ours."""

FREE_BYTES = 16 << 20
"""Room that a run may need: a soak's result is some MB, and is there twice. Source: ours."""

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
_INSERT = f"INSERT INTO runs ({_COLUMNS.removeprefix('id, ')}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_POLL_S = 0.05


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
        result: What ``result.json`` holds.
    """

    id: int
    time_utc: str
    edgeprune_version: str
    board: str
    device: str
    model_sha256: str
    model_path: str
    result: Result


def record(result: Result) -> int:
    """Adds a run.

    Args:
        result: A valid result, as from :func:`edgeprune.report.result.build_result`.

    Returns:
        The run's id.

    Raises:
        ConfigError: The result is not valid, or the history cannot be written.
    """
    row = _row(result)
    with _writable() as database:
        return _inserted(database, row)


def record_once(result: Result) -> tuple[int, bool]:
    """Adds a run, unless exactly this result is there already.

    Returns:
        The run's id, and whether it is new.

    Raises:
        ConfigError: As for :func:`record`.
    """
    row = _row(result)
    with _writable() as database:
        there = database.execute(
            "SELECT id FROM runs WHERE model_sha256 = ? AND result = ?", (row[4], row[-1])
        ).fetchone()
        return (int(there[0]), False) if there else (_inserted(database, row), True)


def trouble() -> str:
    """Why a run could not be recorded now, in one line; empty if it could be.

    To be asked before anything is measured. Nothing is changed, and no file is made.
    """
    file = _file()
    try:
        there = paths.real_path(file)
        if there.exists() and not there.is_file():
            return f"{file}: the history cannot be used: it is no file; move it away"
        if file.is_symlink() and not there.parent.is_dir():
            return f"{file}: the history cannot be used: it leads to {there}, which cannot be made"
        if file.exists():
            with _writable(PROBE_TIMEOUT_S) as database:
                database.execute(_INSERT, ("", "", "", "", "", "", ""))
                raise _Undone
        folder = next(one for one in file.absolute().parents if one.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            return f"{file}: the history cannot be made: {folder} cannot be written"
        return _little_room(folder)
    except _Undone:
        return _little_room(file.parent)
    except ConfigError as error:
        return str(error)
    except OSError as error:
        return f"{file}: the history cannot be used: {error.strerror or error}"


def runs(limit: int = 20) -> list[Run]:
    """The newest runs, newest first.

    Args:
        limit: How many at most, 1 or more.

    Raises:
        ConfigError: ``limit`` is below 1, or the history cannot be read.
    """
    if limit < 1:
        raise ConfigError(f"limit must be 1 or more, got {limit}")
    return _read("ORDER BY id DESC LIMIT ?", (limit,))


def alike(result: Result, limit: int = 50) -> list[Run]:
    """The newest runs of a result's model on its device, newest first.

    Args:
        result: A valid result.
        limit: How many at most.

    Raises:
        ConfigError: The history cannot be read.
    """
    wanted = (result.model.sha256, result.board, result.device.id, limit)
    return _read(
        "WHERE model_sha256 = ? AND board = ? AND device = ? ORDER BY id DESC LIMIT ?", wanted
    )


def run(number: int) -> Run:
    """The run with the id ``number``.

    Raises:
        ConfigError: There is no such run, or the history cannot be read.
    """
    found = _read("WHERE id = ?", (number,))
    if not found:
        raise ConfigError(f"{_file()}: no run has the number {number}")
    return found[0]


def _row(result: Result) -> tuple[str, ...]:
    document = plain(result)
    parse_result(document)
    return (
        datetime.now(UTC).isoformat(timespec="seconds"),
        __version__,
        result.board,
        result.device.id,
        result.model.sha256,
        result.model.path,
        json.dumps(document, ensure_ascii=False, allow_nan=False),
    )


def _inserted(database: sqlite3.Connection, row: tuple[str, ...]) -> int:
    number = database.execute(_INSERT, row).lastrowid
    if number is None:
        raise ConfigError(f"{_file()}: the run was not recorded")
    return number


class _Undone(Exception):
    """Ends a transaction of which nothing is to stay."""


def _file() -> Path:
    return paths.data_folder() / FILE_NAME


def _little_room(folder: Path) -> str:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes >= FREE_BYTES:
        return ""
    return (
        f"{_file()}: the history has {free_bytes / 1e6:.1f} MB of room left, and a run may need "
        f"{FREE_BYTES / 1e6:.0f} MB: make room"
    )


@contextlib.contextmanager
def _faults_named(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError, UnicodeError) as error:
        raise ConfigError(
            f"{file}: the history cannot be used: {error}; mend it, or move it away to start a "
            "new one"
        ) from error


@contextlib.contextmanager
def _writable(timeout_s: float | None = None) -> Iterator[sqlite3.Connection]:
    """An open history inside one transaction, committed at the end of a block without error."""
    file = _file()
    with _faults_named(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(_begun(file, timeout_s or BUSY_TIMEOUT_S)) as connection:
            _prepare(connection, file)
            yield connection
            connection.execute("COMMIT")


def _begun(file: Path, timeout_s: float) -> sqlite3.Connection:
    """A connection that has the write lock.

    IMMEDIATE takes the write lock first, and so waits in line; a transaction that reads first and
    writes later may be refused at once. The change to write-ahead mode is refused at once too where
    another process is at it, whatever the timeout. Source: sqlite.org/wal.html, section 4.
    """
    end_s = time.monotonic() + timeout_s
    while True:
        # isolation_level None: we say BEGIN ourselves, since Python's own would start too late.
        connection = sqlite3.connect(file, timeout=timeout_s, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            return connection
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            if time.monotonic() >= end_s:
                raise
        except BaseException:
            connection.close()
            raise
        time.sleep(_POLL_S)


def _read(condition: str, values: tuple[Any, ...]) -> list[Run]:
    """Rows that meet a condition; a history that is not there, or is empty, has none.

    Nothing is written, so that a history of another user's, or on a read-only disk, can be read.
    """
    file = _file()
    with _faults_named(file):
        if not file.exists() and (file.parent.is_dir() or not file.parent.exists()):
            return []
        with contextlib.closing(_opened_to_read(file)) as connection:
            if not _is_prepared(connection, file):
                return []
            statement = f"SELECT {_COLUMNS} FROM runs {condition}"
            return [_run(row) for row in connection.execute(statement, values)]


def _opened_to_read(file: Path) -> sqlite3.Connection:
    address = file.absolute().as_uri()
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        # Write-ahead mode makes two files beside it even to read, unless nobody can write it.
        connection = sqlite3.connect(f"{address}?immutable=1", uri=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    """Makes the table in a new file, and refuses a file of another version."""
    if not _is_prepared(connection, file):
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _is_prepared(connection: sqlite3.Connection, file: Path) -> bool:
    """Whether the table is there; False in an empty file.

    Raises:
        ConfigError: The file is of another version.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return True
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version != 0 or tables:
        raise ConfigError(
            f"{file}: a history of version {version}, expected {SCHEMA_VERSION}: use the edgeprune "
            "that wrote it, or move the file away to start a new one"
        )
    return False


def _run(row: tuple[Any, ...]) -> Run:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    where = f"{_file()}: run {values['id']} is damaged"
    document = parse_json(str(values["result"]), where)
    try:
        result = parse_result(document)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return Run(**values | {"result": result})
