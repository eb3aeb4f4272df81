"""The history, held open by who writes often: one connection for many transactions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection

from edgeprune.history import database, postgres
from edgeprune.history.place import Place, PostgresDatabase


class Writer:
    """Transactions of one thread at a time, over a connection that is opened anew after a fault."""

    def __init__(self, place: Place, timeout_s: float | None = None) -> None:
        """Nothing is opened before the first transaction.

        Args:
            place: Where the history is.
            timeout_s: How long to wait for other writers; a minute if None.
        """
        self._place, self._timeout_s = place, timeout_s
        self._opened = contextlib.ExitStack()
        self._connection: Connection | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction that no other writer of the farm is in; committed at the block's end.

        Raises:
            ConfigError: The history cannot be used; nothing of the block stays, unless the
                connection broke while it was committed, which nobody can know.
        """
        is_committed = False
        try:
            with database.faults_named(self._place):
                connection = self._begun()
                yield connection
                connection.commit()
                is_committed = True
        finally:
            if not is_committed:
                self.close()

    def close(self) -> None:
        """Closes the connection; what was not committed is undone. Harmless when closed already."""
        connection, self._connection = self._connection, None
        opened, self._opened = self._opened, contextlib.ExitStack()
        with contextlib.suppress(Exception):  # a broken connection has nothing left to undo
            if connection is not None:
                connection.rollback()
        with contextlib.suppress(Exception):
            opened.close()

    def _begun(self) -> Connection:
        if self._connection is None:
            self._connection = self._opened.enter_context(
                database.writing(self._place, self._timeout_s)
            )
        elif self._connection.dialect.name == "sqlite":
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        if isinstance(self._place, PostgresDatabase):
            postgres.lock_farm(self._connection)
        return self._connection
