"""The history's table, as the newest migration leaves it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

METADATA = MetaData()

RUNS = Table(
    "runs",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("time_utc", Text, nullable=False),
    Column("edgeprune_version", Text, nullable=False),
    Column("board", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),
    Column("model_path", Text, nullable=False),
    Column("result", Text, nullable=False),
    Index("runs_by_model_board_device", "model_sha256", "board", "device", "id"),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)
"""The columns beside ``result`` repeat what it says, so that it can be found by them."""
