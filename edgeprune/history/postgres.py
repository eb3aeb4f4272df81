"""The history in a PostgreSQL database, which many machines may share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from edgeprune.errors import ConfigError
from edgeprune.history.place import VARIABLE, PostgresDatabase

CONNECT_TIMEOUT_S = 10
"""How long a server may take to answer. Source: ours."""

LOCK_TIMEOUT_S = 60.0
"""How long a statement waits for others. Source: ours."""

STATEMENT_S = 30
"""How long a statement may take on top of that. Source: ours."""

_FARM_LOCK = 0x6564676566617261
"""Key of the advisory lock under which leases are given: "edgefara" in ASCII."""

_MIGRATION_LOCK = 0x6564676570727565
"""Key of the advisory lock under which migrations run: "edgeprue" in ASCII."""


@contextlib.contextmanager
def opened_to_write(
    place: PostgresDatabase, timeout_s: float = LOCK_TIMEOUT_S
) -> Iterator[Connection]:
    """A connection inside a transaction."""
    with _connected(place, timeout_s) as connection:
        yield connection


@contextlib.contextmanager
def opened_to_read(place: PostgresDatabase) -> Iterator[Connection]:
    """A connection that may not write."""
    with _connected(place, LOCK_TIMEOUT_S) as connection:
        yield connection.execution_options(postgresql_readonly=True)


def lock_for_migrating(connection: Connection) -> None:
    """Waits until no other process migrates this database; held until the transaction ends."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")


def lock_farm(connection: Connection) -> None:
    """Waits until no other process gives leases; held until the transaction ends."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_FARM_LOCK})")


def clock_ms(connection: Connection) -> int:
    """The server's clock, in milliseconds since 1970: the same for all hosts."""
    told = connection.exec_driver_sql(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    )
    return int(told.scalar_one())


def lock_out_writers(connection: Connection) -> None:
    """Lets nobody else add a run until the transaction ends; who reads does not notice."""
    connection.exec_driver_sql("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE")


@contextlib.contextmanager
def _connected(place: PostgresDatabase, timeout_s: float) -> Iterator[Connection]:
    timeout_ms = round(1000 * timeout_s)
    statement_ms = timeout_ms + 1000 * STATEMENT_S  # so that a lock that is not free is called so
    try:
        engine = create_engine(
            make_url(place.url).set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "tcp_user_timeout": timeout_ms,
                "options": f"-c statement_timeout={statement_ms} -c lock_timeout={timeout_ms}",
            },
        )
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{place}: a history on PostgreSQL needs a driver: pip install 'edgeprune[postgres]'"
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(f"{VARIABLE}: not a URL of a PostgreSQL database") from error
    with engine.connect() as connection:
        yield connection
