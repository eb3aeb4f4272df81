"""One lease a device: who has it, until when, and its epoch, which never falls."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, or_, select, update

from edgeprune.farm.executor import Lease
from edgeprune.farm.holder import is_dead
from edgeprune.history.farm_tables import DEVICES

TTL_MS = 60_000
"""How long a lease holds without being renewed. Source: ours; the agent's own patience."""

_D = DEVICES.c


@dataclass(frozen=True)
class Orphan:
    """A lease that nobody keeps any more.

    Attributes:
        lease: Whose it was.
        job: The job that was under way, or None where a person had the device.
        why: What became of its holder.
        is_unheard: Its own holder never heard of it, so that the job did not begin: the answer to
            the commit that gave it was lost.
    """

    lease: Lease
    job: str | None
    why: str
    is_unheard: bool = False


# Statements are made once: SQLAlchemy takes longer to make one than SQLite to run it.
_IS_FREE = (_D.device == bindparam("of_device"), _D.holder.is_(None))
_GIVEN = {
    "holder": bindparam("to_holder"),
    "epoch": _D.epoch + 1,
    "lease_until_ms": bindparam("until_ms"),
    "lease_job": bindparam("for_job"),
}
_GRANT = update(DEVICES).where(*_IS_FREE).values(_GIVEN).returning(_D.epoch)
_GRANT_TRUSTED = (
    update(DEVICES)
    .where(*_IS_FREE, _D.quarantine_reason.is_(None))
    .values(_GIVEN)
    .returning(_D.epoch)
)
_RENEW = (
    update(DEVICES)
    .where(_D.holder == bindparam("of_holder"))
    .values(lease_until_ms=bindparam("until_ms"))
)
_RELEASE = (
    update(DEVICES)
    .where(
        _D.device == bindparam("of_device"),
        _D.epoch == bindparam("of_epoch"),
        _D.holder == bindparam("of_holder"),
    )
    .values(holder=None, lease_until_ms=None, lease_job=None)
)


def grant(
    connection: Connection,
    device: str,
    holder: str,
    job: str | None,
    until_ms: int,
    *,
    is_measured: bool = False,
) -> Lease | None:
    """Gives a free device away, with the next epoch; None where somebody has it.

    Args:
        connection: Inside a transaction.
        device: Its name.
        holder: Who gets it.
        job: For which job; None for a person.
        until_ms: Until when.
        is_measured: The job's result counts, so that a device in quarantine will not do.
    """
    given = {"of_device": device, "to_holder": holder, "until_ms": until_ms, "for_job": job}
    epoch = connection.execute(_GRANT_TRUSTED if is_measured else _GRANT, given).scalar()
    return None if epoch is None else Lease(device, int(epoch), holder)


def renew(connection: Connection, holder: str, until_ms: int) -> None:
    """Keeps all leases of a holder."""
    connection.execute(_RENEW, {"of_holder": holder, "until_ms": until_ms})


def release(connection: Connection, lease: Lease) -> bool:
    """Gives a device back; False where the lease was no longer this one's."""
    freed = connection.execute(
        _RELEASE,
        {"of_device": lease.device, "of_epoch": lease.epoch, "of_holder": lease.holder},
    )
    return freed.rowcount == 1


def end(connection: Connection, device: str) -> None:
    """Ends whatever lease a device has; its epoch rises, so that the holder's result is refused."""
    connection.execute(
        update(DEVICES)
        .where(_D.device == device)
        .values(holder=None, lease_until_ms=None, lease_job=None, epoch=_D.epoch + 1)
    )


def epochs_of(connection: Connection, holder: str) -> dict[str, int]:
    """The devices that a holder has, with the epoch of each."""
    rows = connection.execute(select(_D.device, _D.epoch).where(_D.holder == holder))
    return {device: int(epoch) for device, epoch in rows}


def orphans(connection: Connection, me: str, mine: dict[str, int], now_ms: int) -> list[Orphan]:
    """Leases that have run out, or whose holder is dead; and ours of which we know nothing.

    Args:
        connection: Inside a transaction.
        me: The holder that asks.
        mine: Devices that it uses, with the epoch of each.
        now_ms: The present moment.
    """
    # A lease that ends later than any could was given by a clock that has jumped since.
    has_run_out = or_(
        _D.lease_until_ms < now_ms,
        (_D.lease_until_ms > now_ms + 2 * TTL_MS) & _D.lease_job.is_not(None),
    )
    rows = connection.execute(
        select(_D.device, _D.epoch, _D.holder, _D.lease_job, has_run_out).where(
            _D.holder.is_not(None)
        )
    )
    found = []
    for device, epoch, holder, job, is_late in rows:
        why = ""
        if holder == me:
            why = "" if mine.get(device) == epoch else "the scheduler lost track of it"
        elif is_dead(holder):
            why = "its scheduler died"
        elif is_late:
            why = "its scheduler was not heard of for a minute" if job else "its time is over"
        if why:
            found.append(Orphan(Lease(device, int(epoch), holder), job, why, holder == me))
    return found
