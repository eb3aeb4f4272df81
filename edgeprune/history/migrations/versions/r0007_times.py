"""The index of what runs are of has their times as well, and golden jobs are found by their device.

A run's row holds its whole result, tens of kilobytes: to read 50,000 times out of them is as many
looks at a disk. A device's golden jobs are one in hundreds of its jobs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Makes the index anew with one more column, and another one."""
    op.drop_index("runs_by_path", "runs")
    op.create_index("runs_by_path", "runs", ["board", "device", "model_path", "id", "time_utc"])
    is_one = sa.text("kind = 'golden'")
    op.create_index(
        "farm_jobs_golden", "farm_jobs", ["device"], sqlite_where=is_one, postgresql_where=is_one
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA user_version = 7")
