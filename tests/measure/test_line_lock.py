"""One run at a time on a serial port: the others wait, or are told who has it."""

import os
import threading

import pytest
from int8_layers import random_layer

from edgeprune import cli
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import line_transport
from edgeprune.errors import DeviceError
from edgeprune.measure import Claim, LineLock
from edgeprune.measure.device_lock import FOLDER_VARIABLE
from edgeprune.measure.line_lock import lock_file
from edgeprune.progress import Progress


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def way(port="/dev/ttyACM7", name="desk"):
    board = load_board("nucleo-l4r5zi")
    return line_transport(board, Device(board.name, name, host=port))


def lock(transport, wait_s=0.0, progress=None):
    return LineLock(transport, Claim("edgeprune run", wait_s), progress or Progress())


class Told(Progress):
    """Keeps what is noted."""

    def __init__(self):
        super().__init__()
        self.notes = []

    def note(self, line):
        self.notes.append(line)


def test_who_will_not_wait_is_told_who_has_the_port(tmp_path):
    with way() as first, way() as second, lock(first):
        with pytest.raises(DeviceError, match=r"desk \(/dev/ttyACM7\) is in use by \S+@\S+ \(edge"):
            lock(second).__enter__()
    with way() as third, lock(third):
        pass  # it is free again


def test_another_name_of_the_port_is_the_same_port(tmp_path):
    real, other = tmp_path / "ttyACM0", tmp_path / "by-id"
    real.touch()
    other.symlink_to(real)
    with way(str(real)) as first, way(str(other)) as second, lock(first):
        with pytest.raises(DeviceError, match="in use"):
            lock(second).__enter__()
    with way(str(real)) as first, way("/dev/ttyACM8") as second, lock(first), lock(second):
        pass  # two ports are two devices


def test_a_run_that_waits_goes_on_when_the_other_ends():
    told, held = Told(), threading.Event()
    with way() as first, way() as second:
        ours = lock(first)
        ours.__enter__()

        def waits():
            with lock(second, 60.0, told):
                held.set()

        thread = threading.Thread(target=waits)
        thread.start()
        while not told.notes:
            assert thread.is_alive()
        assert "waiting for desk (/dev/ttyACM7), for 60 s at most" in told.notes[0]
        assert not held.is_set()
        ours.__exit__(None, None, None)
        thread.join(30.0)
    assert held.is_set() and len(told.notes) == 1


def test_emulated_boards_are_not_locked(folder):
    board = load_board("mps2-an386")
    with line_transport(board, Device(board.name, board.name)) as transport:
        with lock(transport), lock(transport):
            pass
    assert not list(folder.iterdir())


def test_a_link_in_place_of_the_lock_is_not_followed(folder, capsys):
    with way() as first, lock(first):
        (file,) = folder.iterdir()
    file.unlink()
    file.symlink_to(folder / "victim")
    with way() as second, lock(second):
        assert not (folder / "victim").exists()
    assert "is not locked, so that runs may overlap" in capsys.readouterr().err
    assert os.readlink(file)


def test_run_that_does_not_wait_ends_before_any_work(tmp_path, monkeypatch, capsys):
    """Where commands meet by themselves: each has a folder for temporary files of its own."""
    monkeypatch.delenv(FOLDER_VARIABLE)
    file, port = tmp_path / "layer.tflite", tmp_path / "tty"
    file.write_bytes(random_layer(11, "CONV_2D").tflite)
    words = ["run", str(file), "--board", "nucleo-l4r5zi", "--host", str(port), "--wait", "0"]
    try:
        with way(str(port)) as first, lock(first), pytest.raises(SystemExit) as ended:
            cli.main([*words, "--output", str(tmp_path / "out")])
    finally:
        lock_file(str(port)).unlink()
    assert ended.value.code == 3
    assert f"({port}) is in use by" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
