"""Series are found by what they are of, and a change names the job that confirmed or denied it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds a column and three indices."""
    op.add_column("farm_changes", sa.Column("job", sa.Text))
    series = ["board", "device", "model_path"]
    op.create_index("farm_changes_by_series", "farm_changes", series)
    op.create_index("runs_by_path", "runs", [*series, "id"])
    is_one = sa.text("kind = 'confirm'")
    op.create_index(
        "farm_jobs_confirm", "farm_jobs", ["device"], sqlite_where=is_one, postgresql_where=is_one
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA user_version = 6")
