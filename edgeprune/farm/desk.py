"""What a person does with the farm's devices: looks, takes one, gives it back, trusts it again."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from edgeprune.errors import ConfigError
from edgeprune.farm.clock import clock_ms
from edgeprune.farm.executor import Lease
from edgeprune.farm.holder import shown
from edgeprune.farm.store import devices, leases, results
from edgeprune.farm.store.devices import Event, Standing
from edgeprune.history import database
from edgeprune.history.farm_tables import DEVICES
from edgeprune.history.place import place
from edgeprune.history.writer import Writer
from edgeprune.text.near_names import did_you_mean

_D = DEVICES.c


@dataclass(frozen=True)
class DeviceState:
    """How a device stands with the farm.

    Attributes:
        device: Its name with the farm.
        board: Name of its board.
        host: Which host reaches it.
        state: ``online``, ``offline`` or ``unknown``.
        state_message: Why it is offline, or None.
        holder: Who has it, for people, or None.
        lease_until_ms: Until when, in milliseconds since 1970, or None.
        lease_job: The job that runs there, or None.
        epoch: Counts its leases.
        quarantine_reason: Why it is not used, or None.
        quarantined_ms: Since when, or None.
        clean_runs: Clean runs of the golden model since then.
    """

    device: str
    board: str
    host: str
    state: str
    state_message: str | None
    holder: str | None
    lease_until_ms: int | None
    lease_job: str | None
    epoch: int
    quarantine_reason: str | None
    quarantined_ms: int | None
    clean_runs: int


def states() -> dict[str, DeviceState]:
    """All devices that the farm has ever used, by name; empty where there is no farm.

    Raises:
        ConfigError: The history cannot be read.
    """
    with database.reading(place()) as connection:
        if connection is None:
            return {}
        rows = connection.execute(
            select(*(_D[name] for name in DeviceState.__dataclass_fields__)).order_by(_D.device)
        ).all()
    return {row.device: _state(row) for row in rows}


def names_of(name: str) -> tuple[str, str]:
    """The names under which the farm may know a device of the bench file."""
    return name, f"{name}@{socket.gethostname()}"


def take(name: str, for_s: float) -> DeviceState:
    """Takes a device from the farm for a while.

    Args:
        name: As in the bench file, or as the farm calls it.
        for_s: For how long; then the farm has it again.

    Raises:
        ConfigError: The farm does not know it, or somebody has it.
    """
    with _device(name) as (connection, row, now_ms):
        until_ms = now_ms + round(1000 * for_s)
        if leases.grant(connection, row.device, _me(), None, until_ms) is None:
            raise ConfigError(
                f"{row.device} is in use by {shown(row.holder)}: wait, or end that with `edgeprune "
                f"devices break {name}`"
            )
        devices.record(connection, row.device, Event.TAKEN, _me(), None, now_ms)
        return _state(_row(connection, row.device))


def release(name: str) -> DeviceState:
    """Gives a device that a person took back to the farm.

    Raises:
        ConfigError: The farm does not know it, or no person has it.
    """
    with _device(name) as (connection, row, now_ms):
        if row.holder is None:
            raise ConfigError(f"{row.device} is free already")
        if row.lease_job is not None:
            raise ConfigError(
                f"{row.device} is in use by {shown(row.holder)}: `edgeprune devices break {name}` "
                "ends that"
            )
        leases.release(connection, Lease(row.device, row.epoch, row.holder))
        devices.record(connection, row.device, Event.RELEASED, _me(), None, now_ms)
        return _state(_row(connection, row.device))


def break_lease(name: str) -> DeviceState:
    """Ends whatever lease a device has; what runs there is ended, and its result refused.

    Raises:
        ConfigError: The farm does not know it, or it is free.
    """
    with _device(name) as (connection, row, now_ms):
        if row.holder is None:
            raise ConfigError(f"{row.device} is free already")
        why = f"{_me()} broke the lease"
        lease = Lease(row.device, row.epoch, row.holder)
        results.abandon(connection, leases.Orphan(lease, row.lease_job, why), now_ms)
        leases.end(connection, row.device)
        devices.record(connection, row.device, Event.BROKEN, why, None, now_ms)
        return _state(_row(connection, row.device))


def restore(name: str) -> DeviceState:
    """Trusts a device again; what is usual for its golden model is found out anew.

    Raises:
        ConfigError: The farm does not know it, or it is not in quarantine.
    """
    with _device(name) as (connection, row, now_ms):
        if row.quarantine_reason is None:
            raise ConfigError(f"{row.device} is not in quarantine")
        trusted = Standing(row.device, row.board, row.holder, None, 0, 0, None)
        devices.set_standing(connection, trusted, now_ms)
        devices.record(connection, row.device, Event.RESTORED, _me(), None, now_ms)
        return _state(_row(connection, row.device))


@contextlib.contextmanager
def _device(name: str) -> Iterator[tuple[Connection, Row[Any], int]]:
    """A device of the farm inside a transaction, with the present moment.

    Raises:
        ConfigError: The farm does not know it.
    """
    writer = Writer(place())
    try:
        with writer.transaction() as connection:
            known = {row.device: row for row in connection.execute(select(DEVICES))}
            names = [one for one in names_of(name) if one in known]
            if not names:
                raise ConfigError(
                    f"the farm knows no device {name!r}{did_you_mean(name, known)}: it gets to "
                    "know devices when it runs"
                )
            yield connection, known[names[0]], clock_ms(connection)
    finally:
        writer.close()


def _row(connection: Connection, device: str) -> Row[Any]:
    return connection.execute(select(DEVICES).where(_D.device == device)).one()


def _state(row: Row[Any]) -> DeviceState:
    values = {name: getattr(row, name) for name in DeviceState.__dataclass_fields__}
    return DeviceState(**(values | {"holder": shown(row.holder) if row.holder else None}))


def _me() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
