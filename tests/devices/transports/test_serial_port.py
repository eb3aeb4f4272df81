"""Serial ports: a pseudoterminal stands for one, and an emulated board hangs on it."""

import contextlib
import grp
import os
import pty
import re
import subprocess

import numpy as np
import pytest
from int8_layers import random_layer

from edgeprune.agents.firmware.session import EMULATED_PATIENCE_S, FirmwareSession
from edgeprune.devices.bench import Bench, choose_device, load_bench
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.serial import port as port_module
from edgeprune.devices.links.serial.port import SerialPort
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import ConfigError, DeviceError, DeviceTimeout
from edgeprune.files import paths
from edgeprune.firmware.build import built
from edgeprune.firmware.facts import facts_of
from edgeprune.firmware.plan import compiled


@contextlib.contextmanager
def terminal():
    """The near end's file descriptor and the far end's path."""
    near, far = pty.openpty()
    try:
        yield near, os.ttyname(far)
    finally:
        for each in (near, far):
            with contextlib.suppress(OSError):
                os.close(each)


@pytest.fixture
def board(tmp_path, monkeypatch):
    """The emulated board's twin, as if it were on a desk."""
    text = (paths.shipped("boards") / "mps2-an386.toml").read_text()
    text = text.replace('"mps2-an386"\nvendor', '"desk-m4"\nvendor')
    text = text.replace('"qemu_system"', '"serial_port"')
    (tmp_path / "desk-m4.toml").write_text(text)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(tmp_path))
    return load_board("desk-m4")


@pytest.fixture
def plugged(monkeypatch):
    """What is plugged in, as a dictionary to fill."""
    found = {}
    monkeypatch.setattr(port_module, "usb_ports", lambda: found)
    return found


def opened(board, **keys):
    device = Device(board.name, "desk", **keys)
    with TRANSPORTS.get("serial_port")(board, device) as transport:
        return transport._path


def test_bytes_go_both_ways():
    with terminal() as (near, path), contextlib.closing(SerialPort(path, 115200)) as port:
        port.write(b"\x00\xff\r\n\x03\x11\x13", 5.0)
        assert os.read(near, 100) == b"\x00\xff\r\n\x03\x11\x13"
        os.write(near, b"\x13\x11\x03\r\x00\xff")
        assert port.read(6, 5.0) == b"\x13\x11\x03\r\x00\xff"


def test_what_does_not_come_is_waited_for_no_longer_than_was_said():
    with terminal() as (near, path), contextlib.closing(SerialPort(path, 115200)) as port:
        os.write(near, b"ab")
        with pytest.raises(DeviceTimeout, match="sent nothing in time"):
            port.read(3, 0.05)


def test_a_board_that_is_unplugged_is_said_so():
    with terminal() as (near, path), contextlib.closing(SerialPort(path, 115200)) as port:
        os.close(near)
        with pytest.raises(DeviceError, match="it is gone: was the board unplugged"):
            port.read(1, 5.0)


def test_nobody_else_opens_a_port_meanwhile():
    with terminal() as (_, path), contextlib.closing(SerialPort(path, 115200)):
        with pytest.raises(DeviceError, match="another program has it open"):
            SerialPort(path, 115200)


def test_a_port_that_is_not_there_says_where_to_look(tmp_path):
    with pytest.raises(DeviceError, match="there is no such port: plug the board in"):
        SerialPort(str(tmp_path / "ttyACM0"), 115200)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DeviceError, match=re.escape(str(file))):
        SerialPort(str(file), 115200)


def test_the_only_board_that_is_plugged_in_is_taken(board, plugged):
    plugged["/dev/ttyACM0"] = "0671FF"
    assert opened(board) == "/dev/ttyACM0"


def test_of_several_one_is_named_by_its_port_or_its_serial_number(board, plugged):
    plugged |= {"/dev/ttyACM0": "0671FF", "/dev/ttyUSB0": None}
    with pytest.raises(DeviceError, match=r"name one with --host: /dev/ttyACM0 \(0671FF\), /dev/"):
        opened(board)
    assert opened(board, host="/dev/ttyUSB0") == "/dev/ttyUSB0"
    assert opened(board, serial="0671FF") == "/dev/ttyACM0"
    with pytest.raises(DeviceError, match=r"with the serial number 0671FE is plugged in"):
        opened(board, serial="0671FE")


def test_without_a_board_the_message_says_what_to_do(board, plugged):
    with pytest.raises(DeviceError, match=r"no USB serial port is plugged in.* --host /dev/"):
        opened(board)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("host = '10.0.0.7'", "'10.0.0.7' is no serial port, expected one as /dev/ttyACM0"),
        ("baud_rate = 0", "baud_rate must be 1 to"),
        ("baud_rate = 1_000_000_000", "baud_rate must be 1 to"),
        ("baud_rate = 'fast'", "baud_rate must be int"),
        ("user = 'pi'", "reached by serial_port, which reads host, serial, baud_rate"),
    ],
)
def test_the_bench_checks_what_it_says_of_a_port(board, tmp_path, line, message):
    file = tmp_path / "bench.toml"
    file.write_text(f"[devices.desk]\nboard = 'desk-m4'\n{line}\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_bench(file)


def test_a_device_of_the_bench_and_a_port_by_its_name_are_both_taken(board, tmp_path):
    file = tmp_path / "bench.toml"
    file.write_text("[devices.desk]\nboard = 'desk-m4'\nhost = '/dev/ttyUSB7'\nbaud_rate = 9600\n")
    device = choose_device(load_bench(file), board, None)
    assert (device.host, device.own) == ("/dev/ttyUSB7", {"baud_rate": 9600})
    assert choose_device(Bench(), board, "/dev/ttyACM3").host == "/dev/ttyACM3"
    assert choose_device(Bench(), board, None).host is None


@contextlib.contextmanager
def emulated():
    """The port that an emulated board hangs on."""
    argv = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none"]
    argv += ["-serial", "pty", "-kernel", str(built("mps2-an386"))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"/dev/pts/\d+", process.stdout.readline())[0]
        finally:
            process.kill()


@pytest.mark.device
def test_a_board_on_a_serial_port_runs_what_is_pushed_to_it(board):
    layer = random_layer(21, "CONV_2D")
    plan = compiled(layer.tflite, "dsp").data
    with emulated() as path:
        device = Device(board.name, "desk", host=path)
        for _ in range(2):  # the plan stays, whoever opens the port
            with (
                TRANSPORTS.get("serial_port")(board, device) as way,
                FirmwareSession(way.line(None), "desk", EMULATED_PATIENCE_S) as talk,
            ):
                talk.store(plan)
                talk.load(facts_of(plan))
                found = [talk.infer([values[None]])[0].ravel() for values in layer.inputs]
                assert talk.counts() == ()
            np.testing.assert_array_equal(np.concatenate(found), layer.outputs())


def looked():
    (probe,) = TRANSPORTS.get("serial_port").probes([], None)
    assert "usermod -aG dialout" in probe.fix
    return probe.look()


def test_doctor_says_which_ports_this_user_may_not_open(plugged, monkeypatch):
    plugged |= {"/dev/ttyACM0": None, "/dev/ttyACM1": None}
    monkeypatch.setattr(os, "access", lambda path, how: True)
    assert looked() == "/dev/ttyACM0, /dev/ttyACM1"
    monkeypatch.setattr(os, "access", lambda path, how: path == "/dev/ttyACM0")
    with pytest.raises(PermissionError, match=r"may not open /dev/ttyACM1$"):
        looked()


def test_doctor_says_who_is_not_in_the_group_of_serial_ports(plugged, monkeypatch):
    assert looked() == "works; no board is plugged in"  # root may
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [])
    assert "not in the group dialout" in looked()
    monkeypatch.setattr(os, "getgroups", lambda: [grp.getgrnam("dialout").gr_gid])
    assert looked() == "works; no board is plugged in"
