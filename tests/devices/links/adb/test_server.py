import socket
import threading

import pytest
from adb_rig import Adbd
from adb_server import adb_server, free_port

from edgeprune.devices.device import Device
from edgeprune.devices.links.adb.server import Server
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


WORDS = b"\x1b[2J\r\nedgeprune: all good\xff"
ODD = {
    "a length that is none": b"OKAYzzzz" + WORDS,
    "a length below 0": b"OKAY-001" + WORDS,
    "words that forge": b"FAIL" + b"%04x" % len(WORDS) + WORDS,
    "phones that forge": b"OKAY" + b"%04x" % (2 * len(WORDS) + 2) + WORDS + b"\t" + WORDS + b"\n",
    "too many phones": b"OKAYc350" + b"".join(b"%05d\tdevic\n" % k for k in range(50_000 // 12)),
    "neither": WORDS,
    "nothing": b"",
}


def answer_all(listener, words):
    """Gives the same answer to whatever is asked, as another program on that port does."""
    while True:
        try:
            client, _ = listener.accept()
            client.settimeout(5.0)
            with client:
                client.recv(4096)
                client.sendall(words)
        except OSError:
            if listener.fileno() < 0:
                return


@pytest.mark.parametrize("words", ODD)
def test_what_is_no_adb_server_is_one_clean_line(monkeypatch, words):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(listener.getsockname()[1]))
        threading.Thread(target=answer_all, args=(listener, ODD[words]), daemon=True).start()
        with pytest.raises(DeviceError) as caught:
            Server().find(Device("pixel-8", "phone"))
        listener.shutdown(socket.SHUT_RDWR)
    line = str(caught.value)
    assert line.isprintable() and 0 < len(line) < 1000


def test_a_phone_that_the_server_forgets_at_once_is_connected_to_again(tmp_path):
    class Forgetful(Server):
        reached = 0

        def reach(self, address):
            super().reach(address)
            self.reached += 1
            if self.reached < 3:
                self.ask(f"host:disconnect:{address}")

    with adb_server(tmp_path):
        phone = Adbd(tmp_path)
        try:
            server = Forgetful()
            assert server.find(Device("pixel-8", "phone", host=phone.address)) == phone.address
            assert server.states() == {phone.address: "device"}
        finally:
            phone.close()
    assert server.reached == 3
