"""Figures of runs in a table of their own, which is read for noise and trends without the results.

Runs from before have none: their results do not say which file was measured.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the table, and an index by which all runs of one device are found."""
    op.create_table(
        "figures",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("variant", "metric")),
        sa.Column("value", sa.Double().with_variant(sa.REAL, "sqlite"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("file_sha256", "conditions")),
        sa.PrimaryKeyConstraint("run_id", "variant", "metric"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sqlite_strict=True,
    )
    op.create_index("runs_by_board_device", "runs", ["board", "device", "id"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA user_version = 4")
