"""The table of runs, as it was before there were migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the table in an empty database."""
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in (
                "time_utc",
                "edgeprune_version",
                "board",
                "device",
                "model_sha256",
                "model_path",
                "result",
            )
        ),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
