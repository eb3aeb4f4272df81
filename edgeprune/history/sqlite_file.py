"""The history in a SQLite file.

Several processes may write at once: the file is in write-ahead mode, so that reading locks nothing,
and a writer waits for the others instead of failing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import OperationalError

from edgeprune.files import paths
from edgeprune.history.place import SqliteFile

BUSY_TIMEOUT_S = 60.0
"""How long a writer waits for the others; one takes some 20 ms. Source: ours."""

FREE_BYTES = 16 << 20
"""Room that a run may need: a soak's result is some MB, and is there twice. Source: ours."""

_POLL_S = 0.05
_CANNOT_WRITE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextlib.contextmanager
def opened_to_write(place: SqliteFile, timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[Connection]:
    """A connection inside a transaction that has the write lock; the file is made if need be."""
    place.path.parent.mkdir(parents=True, exist_ok=True)
    # isolation_level None: we say BEGIN ourselves, since Python's own would start too late.
    engine = _engine(lambda: sqlite3.connect(place.path, timeout=timeout_s, isolation_level=None))
    connection = _begun(engine, timeout_s)
    with contextlib.closing(connection):
        yield connection


@contextlib.contextmanager
def opened_to_read(place: SqliteFile) -> Iterator[Connection | None]:
    """A connection that writes nothing; None where there is no history yet.

    So a history of another user's, or on a read-only disk, can be read.
    """
    file = place.path
    if not file.exists() and (file.parent.is_dir() or not file.parent.exists()):
        yield None
        return
    with contextlib.closing(_reader(file)) as connection:
        yield connection


def trouble_before_opening(place: SqliteFile) -> str:
    """Why no history can be there, in one line; empty if one can be, or is."""
    file = place.path
    there = paths.real_path(file)
    if there.exists() and not there.is_file():
        return f"{file}: the history cannot be used: it is no file; move it away"
    if file.is_symlink() and not there.parent.is_dir():
        return f"{file}: the history cannot be used: it leads to {there}, which cannot be made"
    if file.exists():
        return ""
    folder = _folder_that_exists(file)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return f"{file}: the history cannot be made: {folder} cannot be written"
    return ""


def little_room(place: SqliteFile) -> str:
    """That the disk has no room for a run, in one line; empty if it has."""
    free_bytes = shutil.disk_usage(_folder_that_exists(place.path)).free
    if free_bytes >= FREE_BYTES:
        return ""
    return (
        f"{place}: the history has {free_bytes / 1e6:.1f} MB of room left, and a run may need "
        f"{FREE_BYTES / 1e6:.0f} MB: make room"
    )


def _folder_that_exists(file: Path) -> Path:
    return next(folder for folder in file.absolute().parents if folder.exists())


def _engine(connect: Callable[[], sqlite3.Connection]) -> Engine:
    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _begun(engine: Engine, timeout_s: float) -> Connection:
    """A connection that has the write lock.

    IMMEDIATE takes the write lock first, and so waits in line; a transaction that reads first and
    writes later may be refused at once. The change to write-ahead mode is refused at once too where
    another process is at it, whatever the timeout. Source: sqlite.org/wal.html, section 4.
    """
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            connection = engine.connect()
            try:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                connection.exec_driver_sql("PRAGMA synchronous = FULL")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except BaseException:
                connection.close()
                raise
            return connection
        except OperationalError as error:
            if not _is_because_of(error, _BUSY) or time.monotonic() >= end_s:
                raise
        time.sleep(_POLL_S)


def _reader(file: Path) -> Connection:
    address = file.absolute().as_uri()
    engine = _engine(
        lambda: sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    )
    try:
        connection = engine.connect()
        try:
            connection.exec_driver_sql("PRAGMA user_version")
        except BaseException:
            connection.close()
            raise
        return connection
    except OperationalError as error:
        if not _is_because_of(error, _CANNOT_WRITE):
            raise
    # Write-ahead mode makes two files beside it even to read, unless nobody can write it.
    return _engine(lambda: sqlite3.connect(f"{address}?immutable=1", uri=True)).connect()


def _is_because_of(error: OperationalError, codes: tuple[int, ...]) -> bool:
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in codes
