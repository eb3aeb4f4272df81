"""Both engines of the history."""

import postgres_rig
import pytest


@pytest.fixture(scope="session")
def postgres_server():
    if postgres_rig.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgres_rig.server() as server:
        yield server


@pytest.fixture
def postgres(postgres_server, monkeypatch):
    """An empty database that the history is in; its URL."""
    url = postgres_server.new_database()
    monkeypatch.setenv("EDGEPRUNE_HISTORY", url)
    return url


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The data folder, which does not exist yet."""
    folder = tmp_path / "not yet" / "there"
    monkeypatch.setenv("EDGEPRUNE_HOME", str(folder))
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.device)])
def engine(request, home):
    """Each engine in turn: its name."""
    if request.param == "postgres":
        request.getfixturevalue("postgres")
    return request.param
