"""The history's tables, as the newest migration leaves it."""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

METADATA = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")

RUNS = Table(
    "runs",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("time_utc", Text, nullable=False),
    Column("edgeprune_version", Text, nullable=False),
    Column("board", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),
    Column("model_path", Text, nullable=False),
    Column("result", Text, nullable=False),
    Index("runs_by_model_board_device", "model_sha256", "board", "device", "id"),
    Index("runs_by_board_device", "board", "device", "id"),
    Index("runs_by_path", "board", "device", "model_path", "id", "time_utc"),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)
"""The columns beside ``result`` repeat what it says, so that it can be found by them."""

READ_ALL = "INDEXED BY runs_by_path"
"""Hint for SQLite where it is wanted what all runs are of, and when, without their results: each
row with its result is a place of its own on the disk."""

FIGURES = Table(
    "figures",
    METADATA,
    Column("run_id", _ID, ForeignKey(RUNS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("value", Double().with_variant(REAL, "sqlite"), nullable=False),
    Column("file_sha256", Text, nullable=False),
    Column("conditions", Text, nullable=False),
    sqlite_strict=True,
)
"""What :mod:`edgeprune.history.figures` takes out of each result."""
