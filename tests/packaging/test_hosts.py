"""Machines that are no Debian: what does not work there is one line, and nothing else fails."""

import subprocess
import sys

import nets
import pytest

from edgeprune.devices.bench import Device
from edgeprune.devices.boards import load_board
from edgeprune.devices.toolchain import wheels
from edgeprune.devices.transports.local import Local
from edgeprune.doctor import _notes
from edgeprune.errors import DeviceError
from edgeprune.text import debian

HIDDEN = ("fcntl", "resource", "pwd", "grp", "termios")  # what Python has on Unix alone


def test_windows_is_told_in_one_line_where_it_runs(tmp_path):
    code = (
        f"import sys; sys.platform = 'win32'; sys.modules.update(dict.fromkeys({HIDDEN}));"
        "from edgeprune.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("edgeprune: Windows is supported in WSL 2 alone")
    assert done.stderr.count("\n") == 1


def test_a_mac_explains_a_file_and_cannot_be_the_board_itself(tmp_path, monkeypatch):
    (tmp_path / "m.tflite").write_bytes(nets.eligible())
    start = "import sys; sys.platform = 'darwin'; from edgeprune import cli; cli.main(sys.argv[1:])"
    argv = [sys.executable, "-c", start]
    done = subprocess.run([*argv, "explain", tmp_path / "m.tflite", "--board", "rpi4"],
                          capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(sys, "platform", "darwin")
    board = load_board("local")
    with pytest.raises(DeviceError, match="the board local needs Linux, and this is darwin"):
        Local(board, Device(board.name, board.name)).open()
    assert any("this is darwin" in note for note in _notes())


@pytest.mark.parametrize("has_apt", [True, False])
def test_apt_is_named_where_there_is_apt(monkeypatch, tmp_path, has_apt):
    monkeypatch.setattr(debian, "APT", tmp_path if has_apt else tmp_path / "gone")
    said = debian.install_hint("qemu-user libc6-arm64-cross")
    assert ("apt-get" in said) == has_apt and "qemu-user" in said and "libc6-arm64-cross" in said


def test_without_pip_as_under_uvx_uv_fetches_the_wheel(monkeypatch, tmp_path):
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("UV", "/bin/echo")  # prints its words, and leaves no wheel
    with pytest.raises(DeviceError, match="pip left 0 wheels"):
        wheels.download_wheel("x==1", ["any"], "3.11", tmp_path, "x")
    monkeypatch.delenv("UV")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="x: pip is not installed: python -m ensurepip"):
        wheels.download_wheel("x==1", ["any"], "3.11", tmp_path, "x")
