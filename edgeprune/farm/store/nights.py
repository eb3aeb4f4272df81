"""Nights begin, go on after whatever ended the scheduler, and end."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from edgeprune.history.farm_tables import NIGHTS

_N = NIGHTS.c


@dataclass(frozen=True)
class Night:
    """One night of a plan.

    Attributes:
        name: As ``nightly 2026-11-29``.
        plan: The plan's name.
        plan_sha256: Digest of its file.
        deadline_ms: When it must be over, or None.
    """

    name: str
    plan: str
    plan_sha256: str
    deadline_ms: int | None


def begin(connection: Connection, night: Night, now_ms: int) -> None:
    """Begins a night, or goes on with it; the plan may have changed since."""
    values = {
        "plan": night.plan,
        "plan_sha256": night.plan_sha256,
        "deadline_ms": night.deadline_ms,
        "ended_ms": None,
    }
    known = connection.execute(update(NIGHTS).where(_N.night == night.name).values(values))
    if known.rowcount == 0:
        connection.execute(
            insert(NIGHTS).values({**values, "night": night.name, "began_ms": now_ms})
        )


def began_ms(connection: Connection, night: str) -> int:
    """When a night began, which is there."""
    return int(connection.execute(select(_N.began_ms).where(_N.night == night)).scalar_one())


def end(connection: Connection, night: str, now_ms: int) -> None:
    """Ends a night."""
    connection.execute(update(NIGHTS).where(_N.night == night).values(ended_ms=now_ms))


def has_ended(connection: Connection, night: str) -> bool:
    """Whether a night is there and over."""
    ended = select(_N.night).where(_N.night == night, _N.ended_ms.is_not(None))
    return connection.execute(ended).first() is not None


def unfinished(connection: Connection, plan: str, now_ms: int) -> str | None:
    """The newest night of a plan that is not over, and whose morning is still to come."""
    return connection.execute(
        select(_N.night)
        .where(
            _N.plan == plan,
            _N.ended_ms.is_(None),
            _N.deadline_ms > now_ms,
        )
        .order_by(_N.began_ms.desc())
        .limit(1)
    ).scalar()
