"""What answers as an ssh server and is none: one clean line, whatever it makes paramiko do."""

import dataclasses
import logging
import socket
import struct
import threading

import paramiko
import pytest

from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.ssh.config import route_to
from edgeprune.devices.links.ssh.link import Link
from edgeprune.devices.links.ssh.login import connect
from edgeprune.devices.transports.ssh import Ssh
from edgeprune.errors import ConfigError, DeviceError

KEY = paramiko.RSAKey.generate(2048)
WAIT_S = 0.5
"""A message that is passed over ends in a timeout, which is one clean line too."""

TEXT = struct.pack(">I", 4) + b"\xff\xfe\xfd\xfc"
MESSAGES = {
    "a message that there is not": b"\x00",
    "another one": b"\xff\x01\x02",
    "a disconnect in no encoding": b"\x01" + struct.pack(">I", 2) + TEXT + TEXT,
    "a service in no encoding": b"\x06" + TEXT,
    "a debug message in no encoding": b"\x04\x01" + TEXT + TEXT,
    "a failure in no encoding": b"\x33" + TEXT + b"\x00",
    "a banner in no encoding": b"\x35" + TEXT + TEXT,
    "extensions in no encoding": b"\x07" + struct.pack(">I", 1) + TEXT + TEXT,
    "a key exchange of nothing": b"\x14",
    "a channel that nobody opened": b"\x5e" + struct.pack(">I", 77) + TEXT,
    "a channel of a size that is none": b"\x5b" + struct.pack(">I", 0),
}


class Server(paramiko.ServerInterface):
    """Lets everybody in, and runs nothing."""

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        return True


def serve(listener, number, message):
    """Answers one client as a server does, but for one message that is another."""
    client, _ = listener.accept()
    server = paramiko.Transport(client)
    server.add_server_key(KEY)
    send, sent = server.packetizer.send_message, []

    def changed(honest):
        sent.append(honest)
        return send(paramiko.Message(message) if len(sent) == number else honest)

    server.packetizer.send_message = changed
    try:
        server.start_server(server=Server())
    except (EOFError, OSError, paramiko.SSHException):
        server.close()


@pytest.fixture
def host(home, monkeypatch, tmp_path):
    monkeypatch.setattr(logging.getLogger("paramiko"), "disabled", True)
    key = tmp_path / "key"
    KEY.write_private_key_file(str(key))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield (
            listener,
            Device("rpi4", "pi-01", "127.0.0.1", "x", listener.getsockname()[1], str(key)),
        )


def converse(device):
    route = [dataclasses.replace(hop, connect_timeout_s=WAIT_S) for hop in route_to(device)]
    ssh = Ssh(load_board("rpi4"), device)
    ssh._link = Link(connect(route, lambda hop, key: None), "pi-01")
    try:
        ssh.run(["true"], WAIT_S)
    finally:
        ssh.close()


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_message_that_ssh_does_not_know_is_one_clean_line(host, number, message):
    listener, device = host
    arguments = (listener, number, MESSAGES[message])
    threading.Thread(target=serve, args=arguments, daemon=True).start()
    with pytest.raises(DeviceError) as caught:
        converse(device)
    line = str(caught.value)
    assert line.isprintable() and line.startswith("pi-01") and len(line) < 1000


@pytest.mark.parametrize("name", [".", "..", "a" * 300, "./a", "\u202epi", "a..b"])
def test_what_is_no_name_of_a_host_is_refused_by_its_own_name(home, name):
    device = Device("rpi4", "pi-01", name)
    with pytest.raises(ConfigError, match="is neither a host's name nor an address"):
        connect(route_to(device), lambda hop, key: None)
