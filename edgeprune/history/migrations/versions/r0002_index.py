"""An index for the runs of one model on one device, which every page and comparison asks for."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the index, and tells edgeprunes from before migrations that the file is newer."""
    op.create_index("runs_by_model_board_device", "runs", ["model_sha256", "board", "device", "id"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA user_version = 2")
