"""A night leaves the adb server as it found it: none, or the one that ran."""

import os
import signal
import socket
import subprocess
import sys

import adbutils
import pytest
from adb_server import adb_server, free_port

from edgeprune.devices.links.adb.left_as_found import left_as_found
from edgeprune.devices.links.adb.server import Server, is_answering

pytestmark = [pytest.mark.device]


@pytest.fixture
def client(monkeypatch, tmp_path):
    """A client of a server that does not run yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))
    client = adbutils.AdbClient()
    yield client
    client.server_kill()


def test_a_server_that_was_started_in_between_ends(client, tmp_path):
    with left_as_found():
        Server()
        assert is_answering(client)
    assert not is_answering(client) and not list((tmp_path / "home").iterdir())


def test_a_server_that_ran_before_goes_on(client, tmp_path):
    with adb_server(tmp_path):
        client = adbutils.AdbClient()
        with left_as_found():
            Server()
        assert is_answering(client)


def test_a_server_that_somebody_uses_is_left_to_them(client):
    with left_as_found():
        Server()
        user = socket.create_connection((client.host, client.port))
    assert is_answering(client)
    user.close()


def test_a_server_of_a_night_that_was_killed_ends_with_the_next_one(client):
    code = (
        "from edgeprune.devices.links.adb.left_as_found import left_as_found\n"
        "from edgeprune.devices.links.adb.server import Server\n"
        "import os, signal\n"
        "with left_as_found():\n    Server(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], env=os.environ, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL and is_answering(client)
    with left_as_found():
        Server()
    assert not is_answering(client)
