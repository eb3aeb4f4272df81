"""What time it is, for leases and deadlines: one clock for all schedulers of a history."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from edgeprune.history import postgres


def clock_ms(connection: Connection) -> int:
    """Milliseconds since 1970: the server's where many hosts share one, else this machine's."""
    if connection.dialect.name == "postgresql":
        return postgres.clock_ms(connection)
    return time.time_ns() // 1_000_000
