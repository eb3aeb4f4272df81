"""Opens the history, wherever it is: up to date, with faults in one line that names the place."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from edgeprune.errors import ConfigError
from edgeprune.history import postgres, sqlite_file
from edgeprune.history.migrate import HEAD, bring_up_to_date, version_of
from edgeprune.history.place import Place, PostgresDatabase, SqliteFile

PROBE_TIMEOUT_S = 5.0
"""How long what may be left undone waits for others. Source: ours."""


@contextlib.contextmanager
def writing(place: Place, timeout_s: float | None = None) -> Iterator[Connection]:
    """The history inside one transaction, committed at the end of a block without error.

    It is made, or brought to the newest schema, in the same transaction.

    Args:
        place: Where it is.
        timeout_s: How long to wait for other writers; a minute if None.

    Raises:
        ConfigError: It cannot be used.
    """
    with faults_named(place), _opened_to_write(place, timeout_s) as connection:
        if connection.dialect.name == "postgresql" and version_of(connection, place) != HEAD:
            postgres.lock_for_migrating(connection)
        bring_up_to_date(connection, place)
        yield connection
        connection.commit()


@contextlib.contextmanager
def reading(place: Place) -> Iterator[Connection | None]:
    """The history to be read; None where there is none yet.

    An older history is brought to the newest schema first, unless it cannot be written; then it is
    read as it is, since every schema so far has the same runs; only the farm's tables are missing.

    Raises:
        ConfigError: It cannot be used.
    """
    with faults_named(place), contextlib.ExitStack() as opened:
        connection = opened.enter_context(_opened_to_read(place))
        version = None if connection is None else version_of(connection, place)
        if version not in (None, HEAD):
            opened.close()
            with contextlib.suppress(ConfigError), writing(place, PROBE_TIMEOUT_S):
                pass
            connection = opened.enter_context(_opened_to_read(place))
        yield None if version is None else connection


def _opened_to_write(
    place: Place, timeout_s: float | None
) -> contextlib.AbstractContextManager[Connection]:
    if isinstance(place, SqliteFile):
        return sqlite_file.opened_to_write(place, timeout_s or sqlite_file.BUSY_TIMEOUT_S)
    return postgres.opened_to_write(place, timeout_s or postgres.LOCK_TIMEOUT_S)


def _opened_to_read(place: Place) -> contextlib.AbstractContextManager[Connection | None]:
    if isinstance(place, SqliteFile):
        return sqlite_file.opened_to_read(place)
    return postgres.opened_to_read(place)


@contextlib.contextmanager
def faults_named(place: Place) -> Iterator[None]:
    """Tells what goes wrong with a history in one line that names it, and no secret.

    Raises:
        ConfigError: The block met a database, a disk or a server that did not do as told.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError, OverflowError, UnicodeError) as error:
        reason = _without_secrets(_reason(error), place)
        raise ConfigError(
            f"{place}: the history cannot be used: {reason}; {place.advice}"
        ) from None  # a traceback would hold the URL


def _reason(error: Exception) -> str:
    """What the database said, in one line."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    lines = [line.strip() for line in str(said).splitlines() if line.strip()]
    return "; ".join(lines[:2]) or type(error).__name__


def _without_secrets(text: str, place: Place) -> str:
    if not isinstance(place, PostgresDatabase):
        return text
    password = urlsplit(place.url).password or ""
    for secret in sorted({place.url, password, unquote(password)} - {""}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
