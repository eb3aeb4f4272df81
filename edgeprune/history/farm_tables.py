"""The farm's tables, which lie beside the runs: nights, jobs, devices with their leases, results.

Every instant is in milliseconds since 1970, UTC. What the columns mean to who reads them:
``docs/reference/farm-tables.md``.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.types import TypeEngine

from edgeprune.history.tables import METADATA

_BIG = BigInteger().with_variant(Integer, "sqlite")

_CONFIRM = text("kind = 'confirm'")
_GOLDEN = text("kind = 'golden'")
"""As :class:`edgeprune.farm.job.Kind` writes it."""

NIGHTS = Table(
    "farm_nights",
    METADATA,
    Column("night", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("plan_sha256", Text, nullable=False),
    Column("began_ms", _BIG, nullable=False),
    Column("deadline_ms", _BIG),
    Column("ended_ms", _BIG),
    sqlite_strict=True,
)
"""One row a night of a plan, as ``nightly 2026-11-29``; it is over where ``ended_ms`` is set."""

JOBS = Table(
    "farm_jobs",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("night", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model_path", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("board", Text, nullable=False),
    Column("device", Text),
    Column("tags", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("time_budget_s", Integer, nullable=False),
    Column("options", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("not_before_ms", _BIG, nullable=False),
    Column("avoid_device", Text),
    Column("error_kind", Text),
    Column("message", Text),
    Column("ended_ms", _BIG),
    Index("farm_jobs_to_do", "night", "state", "board", "device", "priority", "number"),
    Index("farm_jobs_confirm", "device", sqlite_where=_CONFIRM, postgresql_where=_CONFIRM),
    Index("farm_jobs_golden", "device", sqlite_where=_GOLDEN, postgresql_where=_GOLDEN),
    sqlite_strict=True,
)
"""One row a job. ``device`` is null where any of the board will do. ``state`` is one of
:class:`edgeprune.farm.job.State`."""

IS_GOLDEN = JOBS.c.kind == literal_column("'golden'")
"""Written out, not a parameter, so that the index of golden jobs can be used."""

DEVICES = Table(
    "farm_devices",
    METADATA,
    Column("device", Text, primary_key=True),
    Column("board", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_message", Text),
    Column("seen_ms", _BIG),
    Column("epoch", _BIG, nullable=False),
    Column("holder", Text),
    Column("lease_until_ms", _BIG),
    Column("lease_job", Text),
    Column("quarantine_reason", Text),
    Column("quarantined_ms", _BIG),
    Column("clean_runs", Integer, nullable=False),
    Column("troubles", Integer, nullable=False),
    Column("trusted_night", Text),
    sqlite_strict=True,
)
"""One row a device, with its lease: ``holder`` is null where it is free. ``epoch`` is the highest
that was ever handed out, and never falls."""

ATTEMPTS = Table(
    "farm_attempts",
    METADATA,
    Column("device", Text, primary_key=True),
    Column("epoch", _BIG, primary_key=True),
    Column("job", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("began_ms", _BIG, nullable=False),
    Column("ended_ms", _BIG),
    Column("outcome", Text),
    Column("message", Text),
    Index("farm_attempts_by_job", "job"),
    sqlite_strict=True,
)
"""One row each time that a device was leased for a job. ``outcome`` is ``done`` or the kind of the
error, and null while it runs."""

RESULTS = Table(
    "farm_results",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("night", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("epoch", _BIG, nullable=False),
    Column("run", _BIG, nullable=False),
    UniqueConstraint("device", "epoch", name="farm_results_device_epoch"),
    UniqueConstraint("run", name="farm_results_run"),
    sqlite_strict=True,
)
"""What came of a job: ``run`` is the id in the table of runs. A job has one result at most, and so
has a lease; that of a job that failed shows its wrong outputs and has no figures."""

EVENTS = Table(
    "farm_events",
    METADATA,
    Column("id", _BIG, primary_key=True),
    Column("time_ms", _BIG, nullable=False),
    Column("night", Text),
    Column("device", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    Index("farm_events_by_device", "device", "id"),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)
"""What happened to a device: found, lost, quarantined, restored, taken, released, power-cycled."""

_NUMBER: TypeEngine[float] = Double().with_variant(REAL, "sqlite")

CHANGES = Table(
    "farm_changes",
    METADATA,
    Column("board", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("model_path", Text, nullable=False),
    Column("variant", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("run", _BIG, primary_key=True),
    Column("first_run", _BIG, nullable=False),
    Column("old_run", _BIG, nullable=False),
    Column("effect", _NUMBER, nullable=False),
    Column("factor", _NUMBER, nullable=False),
    Column("p_value", _NUMBER, nullable=False),
    Column("is_confirmed", Integer, nullable=False),
    Column("votes", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("job", Text),
    Index("farm_changes_by_series", "board", "device", "model_path"),
    sqlite_strict=True,
)
"""One row each time that a suspected change over nights was decided on. ``run`` is the newest run
then, ``first_run`` the first one after the change, ``old_run`` the one before it that was compared;
``effect`` is the suspected change as a logarithm, ``factor`` and ``p_value`` are the re-run's;
``votes`` and ``reasons`` are lists as JSON; ``job`` is the re-run, null for an exact figure, which
needs none."""
