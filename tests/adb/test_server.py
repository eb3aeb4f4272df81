import pytest
from adb_server import free_port

from edgeprune.adb.server import Server
from edgeprune.errors import ConfigError, DeviceError

pytestmark = [pytest.mark.device]


@pytest.fixture
def no_server(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))


def test_a_server_is_started_where_none_runs_and_prints_nothing(no_server, capfd):
    server = Server()
    try:
        assert int(server.ask("host:version"), 16) >= 40
        assert server.states() == {}
        assert capfd.readouterr() == ("", "")
    finally:
        server._connect("host:kill", 5, "", lambda _: None).close()


def test_an_adb_that_starts_no_server_is_told_with_its_words(no_server, monkeypatch, tmp_path):
    program = tmp_path / "adb"
    program.write_text("#!/bin/sh\necho 'cannot bind' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(program))
    with pytest.raises(DeviceError, match="adb server does not start: cannot bind"):
        Server()


def test_without_adbutils_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "adbutils", None)
    with pytest.raises(ConfigError, match=r"pip install 'edgeprune\[adb\]'"):
        Server()
