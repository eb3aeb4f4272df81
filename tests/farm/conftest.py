"""What the farm's tests share: leases of their own, and a database of a real PostgreSQL server."""

import postgres_rig
import pytest


@pytest.fixture(autouse=True)
def leases_of_its_own(monkeypatch, tmp_path_factory):
    """No test finds this machine leased with the epoch of another one's history."""
    monkeypatch.setenv("EDGEPRUNE_LOCK_FOLDER", str(tmp_path_factory.mktemp("leases")))


@pytest.fixture(scope="module")
def server():
    with postgres_rig.server() as running:
        yield running


@pytest.fixture
def postgres(server, monkeypatch):
    """The history is in an empty database of it."""
    monkeypatch.setenv("EDGEPRUNE_HISTORY", server.new_database())
    return server
