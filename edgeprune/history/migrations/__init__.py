"""Migrations of the history, for Alembic; :data:`edgeprune.history.migrate.HEAD` is the newest."""
