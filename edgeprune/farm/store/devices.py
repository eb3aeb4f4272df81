"""What is known of each device: whether it is there, whether it is trusted, and what befell it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from edgeprune.history.farm_tables import DEVICES, EVENTS

_D = DEVICES.c

REMEMBERED_MS = 14 * 24 * 3_600_000
"""How long a host that does not come any more is missed. Source: ours."""


class Presence(enum.StrEnum):
    """Whether a device answers."""

    UNKNOWN = "unknown"
    """Nobody has asked it."""
    ONLINE = "online"
    OFFLINE = "offline"


class Event(enum.StrEnum):
    """What can befall a device."""

    FOUND = "found"
    LOST = "lost"
    QUARANTINED = "quarantined"
    SUSPECTED = "suspected"
    """A job's outputs were wrong on it: the golden model says whether it is the device."""
    RESTORED = "restored"
    """A person trusts it again; its golden model's figures count from here on."""
    RECOVERED = "recovered"
    """Three clean runs in a row brought it back."""
    POWER_CYCLED = "power-cycled"
    TAKEN = "taken"
    RELEASED = "released"
    BROKEN = "lease broken"


@dataclass
class Standing:
    """How a device stands with the farm.

    Attributes:
        device: Its name.
        board: Name of its board.
        holder: Who has it, or None.
        quarantine_reason: Why it is not used, or None.
        clean_runs: Clean runs of the golden model in a row since it came into quarantine.
        troubles: Infrastructure errors in a row.
        trusted_night: The night in which the golden model was last clean on it, or None.
    """

    device: str
    board: str
    holder: str | None
    quarantine_reason: str | None
    clean_runs: int
    troubles: int
    trusted_night: str | None


def register(connection: Connection, devices: Iterable[tuple[str, str, str]], now_ms: int) -> None:
    """Adds the devices that are not known yet.

    Args:
        connection: Inside a transaction.
        devices: Of each its name, its board, and which host reaches it.
        now_ms: The present moment.
    """
    known = set(connection.execute(select(_D.device)).scalars())
    rows = [
        {
            "device": name,
            "board": board,
            "host": host,
            "state": Presence.UNKNOWN.value,
            # Above whatever an older history gave to the device: no two leases a second.
            "epoch": now_ms // 1000,
            "clean_runs": 0,
            "troubles": 0,
        }
        for name, board, host in devices
        if name not in known
    ]
    if rows:
        connection.execute(insert(DEVICES), rows)


def standings(connection: Connection, names: Iterable[str]) -> dict[str, Standing]:
    """How devices stand, by name."""
    wanted = set(names)
    columns = [_D[name] for name in Standing.__dataclass_fields__]
    rows = connection.execute(select(*columns))
    return {row.device: Standing(*row) for row in rows if row.device in wanted}


def away(
    connection: Connection, hosts: Iterable[str], boards: Iterable[str], now_ms: int
) -> dict[str, list[str]]:
    """Marks devices of hosts that are not there as offline.

    Args:
        connection: Inside a transaction.
        hosts: Those that are there.
        boards: Boards that matter.
        now_ms: The present moment.

    Returns:
        The devices of each other host that had one online within :data:`REMEMBERED_MS`.
    """
    rows = connection.execute(
        select(_D.host, _D.device)
        .where(_D.host.not_in(list(hosts)), _D.board.in_(list(boards)))
        .where(_D.seen_ms > now_ms - REMEMBERED_MS)
        .order_by(_D.device)
    )
    missing: dict[str, list[str]] = {}
    for host, device in rows:
        if device.endswith(f"@{host}"):
            missing.setdefault(host, []).append(device)
            message = f"the host {host} is not there"
            set_presence(connection, device, Presence.OFFLINE, message, now_ms)
    return missing


def set_presence(
    connection: Connection, device: str, presence: Presence, message: str, now_ms: int
) -> None:
    """Writes whether a device answers, and why not."""
    values: dict[str, str | int | None] = {
        "state": presence.value,
        "state_message": message or None,
    }
    if presence is Presence.ONLINE:
        values["seen_ms"] = now_ms
    connection.execute(update(DEVICES).where(_D.device == device).values(values))


def set_standing(connection: Connection, standing: Standing, since_ms: int) -> None:
    """Writes how a device stands, but for its lease.

    Args:
        connection: Inside a transaction.
        standing: As it is now.
        since_ms: Since when it is in quarantine, where it has just come into it.
    """
    is_out = standing.quarantine_reason is not None
    connection.execute(
        update(DEVICES)
        .where(_D.device == standing.device)
        .values(
            quarantine_reason=standing.quarantine_reason,
            quarantined_ms=func.coalesce(_D.quarantined_ms, since_ms) if is_out else None,
            clean_runs=standing.clean_runs,
            troubles=standing.troubles,
            trusted_night=standing.trusted_night,
        )
    )


def record(
    connection: Connection, device: str, event: Event, message: str, night: str | None, now_ms: int
) -> None:
    """Writes what befell a device."""
    connection.execute(
        insert(EVENTS).values(
            time_ms=now_ms, night=night, device=device, kind=event.value, message=message
        )
    )
