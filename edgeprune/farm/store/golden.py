"""The golden model's runs: one before a device is trusted each night, more while it is not."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, select

from edgeprune.farm.executor import Lease
from edgeprune.farm.job import Job, Kind, State
from edgeprune.farm.store import jobs
from edgeprune.farm.store.devices import Event
from edgeprune.history.farm_tables import EVENTS, IS_GOLDEN, JOBS, RESULTS
from edgeprune.history.tables import FIGURES

_J, _R = JOBS.c, RESULTS.c


def waiting_job(connection: Connection, night: str, template: Job, now_ms: int) -> str | None:
    """The id of the golden job that a device is to run now; a new one is made if need be.

    Args:
        connection: Inside a transaction.
        night: The night's name.
        template: The golden job of the device.
        now_ms: The present moment.

    Returns:
        None while one that failed waits to be tried again.
    """
    number = connection.execute(
        select(func.count()).where(
            _J.night == night,
            _J.state.in_([state.value for state in State]),
            _J.board == template.board,
            _J.device == template.device,
            _J.kind == Kind.GOLDEN.value,
        )
    ).scalar_one()
    last = _round(template, number - 1).id_in(night) if number else None
    row = connection.execute(select(_J.state, _J.not_before_ms).where(_J.job == last)).first()
    if row is not None and row.state == State.PENDING.value:
        is_late = row.not_before_ms <= now_ms or row.not_before_ms > now_ms + jobs.MAX_BACKOFF_MS
        return last if is_late else None
    fresh = _round(template, number)
    jobs.add_one(connection, night, fresh)
    return fresh.id_in(night)


def _round(template: Job, number: int) -> Job:
    return replace(template, number=number, options={**template.options, "round": number})


def earlier_figures(
    connection: Connection, lease: Lease, model_sha256: str, limit: int
) -> list[float]:
    """Figures of the first golden runs of a device since a person last restored it.

    Args:
        connection: Inside a transaction.
        lease: The present run's, which is left out.
        model_sha256: Digest of the golden model.
        limit: How many at most.
    """
    since_ms = connection.execute(
        select(func.max(EVENTS.c.time_ms)).where(
            EVENTS.c.device == lease.device, EVENTS.c.kind == Event.RESTORED.value
        )
    ).scalar()
    rows = connection.execute(
        select(FIGURES.c.value)
        .join_from(RESULTS, JOBS, _J.job == _R.job)
        .join(FIGURES, FIGURES.c.run_id == _R.run)
        .where(
            _J.device == lease.device,
            IS_GOLDEN,
            _R.epoch < lease.epoch,
            _J.model_sha256 == model_sha256,
            _J.ended_ms >= (since_ms or 0),
            FIGURES.c.variant == "deployed",
            FIGURES.c.metric.in_(("latency_us", "instructions")),
        )
        .order_by(_R.epoch)
        .limit(limit)
    )
    return [float(value) for value in rows.scalars()]
