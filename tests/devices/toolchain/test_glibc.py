import shutil

import agent_rig
import pytest

from edgeprune.agents import build, runtime
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.toolchain import glibc
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError


@pytest.mark.device
def test_agent_and_runtime_of_an_arm_phone_find_every_library_in_the_bundle(tmp_path):
    """Each file in a folder of its own, as they are pushed; resolved by the loader itself."""
    folders = []
    for file in glibc.bundle("aarch64"):
        (tmp_path / file.name).mkdir()
        shutil.copy(file, tmp_path / file.name)
        folders.append(str(tmp_path / file.name))
    loader = f"{folders[0]}/ld-linux-aarch64.so.1"
    programs = [
        build.agent("aarch64-linux-gnu"),
        runtime.library("aarch64", agent_rig.VERSION).path,
    ]
    board = load_board("rpi4-emulated")
    with TRANSPORTS.get("qemu")(board, Device(board=board.name)) as qemu:
        for program in programs:
            argv = [loader, "--library-path", ":".join(folders), "--list", str(program)]
            done = qemu.run(argv, 60)
            assert done.code == 0, done.stderr
            found = [
                line.split("=>")[1].split()[0] for line in done.stdout.splitlines() if "=>" in line
            ]
            assert "libc.so.6" in done.stdout
            assert all(path.startswith(str(tmp_path)) for path in found), done.stdout


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path):
    (tmp_path / "libc.so.6").touch()
    monkeypatch.setattr(glibc, "folder", lambda isa: tmp_path)
    with pytest.raises(DeviceError, match=r"has no ld-linux-aarch64.*apt-get install libc6-arm64"):
        glibc.bundle("aarch64")


def test_a_processor_without_a_known_loader_is_refused():
    with pytest.raises(DeviceError, match="no glibc is known for armv7l"):
        glibc.bundle("armv7l")
