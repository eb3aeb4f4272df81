"""Brings a history to the newest schema: Alembic does what is missing, in the writer's transaction.

So a process that dies half way leaves the history as it was, and one that comes at the same time
waits for the lock and finds nothing left to do.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection

from edgeprune.errors import ConfigError
from edgeprune.history.place import Place

HEAD = "0007"
"""The newest migration; those before it are in ``migrations/versions``."""

VERSION_TABLE = "edgeprune_version"
"""Where Alembic keeps a history's version: a database may hold other programs' tables."""

_LEGACY_USER_VERSION = 1
"""What edgeprunes before migrations left in a SQLite file, whose schema is that of 0001."""

_OLDER = ("0001", "0002", "0003", "0004", "0005", "0006")


def version_of(connection: Connection, place: Place) -> str | None:
    """The history's version, of the migration that it is at; None for an empty database.

    Raises:
        ConfigError: A newer edgeprune wrote it, or it is no history.
    """
    names = sqlalchemy.inspect(connection).get_table_names()
    is_sqlite = connection.dialect.name == "sqlite"
    user_version = 0
    if is_sqlite:
        user_version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if VERSION_TABLE in names:
        rows = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars()
        version = ", ".join(map(str, rows)) or "none"
        if version in (HEAD, *_OLDER) and user_version <= int(HEAD):
            return version
        raise ConfigError(_other(place, f"{version} ({user_version})" if is_sqlite else version))
    if is_sqlite and user_version == _LEGACY_USER_VERSION:
        return "0001"
    if user_version > int(HEAD):
        raise ConfigError(_other(place, str(user_version)))
    if "runs" in names or (is_sqlite and (names or user_version)):
        raise ConfigError(f"{place}: holds tables that are no history of edgeprune: {place.advice}")
    return None


def bring_up_to_date(connection: Connection, place: Place) -> None:
    """Runs the migrations that a history lacks.

    Args:
        connection: Inside a transaction that nobody else writes in at the same time.
        place: For messages.

    Raises:
        ConfigError: As for :func:`version_of`.
    """
    version = version_of(connection, place)
    if version == HEAD:
        return
    from alembic import command  # slow to import, and only needed once in a history's life
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    if version is not None and not _has_version_table(connection):
        command.stamp(config, version)
    command.upgrade(config, "head")


def _has_version_table(connection: Connection) -> bool:
    return VERSION_TABLE in sqlalchemy.inspect(connection).get_table_names()


def _other(place: Place, version: str) -> str:
    return (
        f"{place}: a history of version {version}, expected at most {HEAD}: use the edgeprune that "
        "wrote it, or another history"
    )
