"""What became of suspected changes over nights, so that each is re-run and told once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes the table."""
    big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    number: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL, "sqlite")
    op.create_table(
        "farm_changes",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("board", "device", "model_path")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("variant", "metric")),
        *(sa.Column(name, big, nullable=False) for name in ("run", "first_run", "old_run")),
        *(sa.Column(name, number, nullable=False) for name in ("effect", "factor", "p_value")),
        sa.Column("is_confirmed", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("votes", "reasons")),
        sa.PrimaryKeyConstraint("run", "variant", "metric"),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA user_version = 5")
