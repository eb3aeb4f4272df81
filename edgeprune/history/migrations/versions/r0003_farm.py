"""The tables of the nightly farm."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_KINDS: dict[str, sa.types.TypeEngine[Any]] = {
    "text": sa.Text(),
    "integer": sa.Integer(),
    "big": sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
}

_TABLES = {
    "farm_nights": "night!text* plan!text plan_sha256!text began_ms!big deadline_ms:big "
    "ended_ms:big",
    "farm_jobs": "job!text* night!text number!integer kind!text model_path!text model_sha256!text "
    "recipe!text board!text device:text tags!text priority!integer time_budget_s!integer "
    "options!text state!text retries!integer not_before_ms!big avoid_device:text error_kind:text "
    "message:text ended_ms:big",
    "farm_devices": "device!text* board!text host!text state!text state_message:text seen_ms:big "
    "epoch!big holder:text lease_until_ms:big lease_job:text quarantine_reason:text "
    "quarantined_ms:big clean_runs!integer troubles!integer trusted_night:text",
    "farm_attempts": "device!text* epoch!big* job!text holder!text began_ms!big ended_ms:big "
    "outcome:text message:text",
    "farm_results": "job!text* night!text device!text epoch!big run!big",
    "farm_events": "id!big* time_ms!big night:text device!text kind!text message!text",
}
"""Columns as ``name!kind``, with ``:`` in place of ``!`` where null is allowed; ``*`` marks the
primary key."""

_UNIQUE = {
    "farm_results": (
        ("farm_results_device_epoch", ("device", "epoch")),
        ("farm_results_run", ("run",)),
    )
}

_INDICES = (
    (
        "farm_jobs_to_do",
        "farm_jobs",
        ["night", "state", "board", "device", "priority", "number"],
    ),
    ("farm_attempts_by_job", "farm_attempts", ["job"]),
    ("farm_events_by_device", "farm_events", ["device", "id"]),
)


def upgrade() -> None:
    """Makes the tables, and tells edgeprunes from before that the file is newer."""
    for name, text in _TABLES.items():
        op.create_table(
            name,
            *map(_column, text.split()),
            *(sa.UniqueConstraint(*of, name=key) for key, of in _UNIQUE.get(name, ())),
            sqlite_strict=True,
            sqlite_autoincrement=name == "farm_events",
        )
    for name, table, columns in _INDICES:
        op.create_index(name, table, columns)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA user_version = 3")


def _column(text: str) -> sa.Column[Any]:
    is_key, text = text.endswith("*"), text.rstrip("*")
    name, mark, kind = text.partition("!" if "!" in text else ":")
    return sa.Column(name, _KINDS[kind], nullable=mark == ":", primary_key=is_key)
