"""The index of what runs are of has their times as well, so that a year is read from it alone.

A run's row holds its whole result, tens of kilobytes: to read 50,000 times out of them is as many
looks at a disk.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Makes the index anew with one more column."""
    op.drop_index("runs_by_path", "runs")
    op.create_index("runs_by_path", "runs", ["board", "device", "model_path", "id", "time_utc"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA user_version = 7")
