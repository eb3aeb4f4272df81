"""A database of a real PostgreSQL server, for the farm's tests."""

import postgres_rig
import pytest


@pytest.fixture(scope="module")
def server():
    with postgres_rig.server() as running:
        yield running


@pytest.fixture
def postgres(server, monkeypatch):
    """The history is in an empty database of it."""
    monkeypatch.setenv("EDGEPRUNE_HISTORY", server.new_database())
    return server
