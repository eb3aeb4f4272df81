"""The emulated microcontroller as a process of this machine."""

import os
import signal
import subprocess
import sys
import time

import pytest

from edgeprune.devices.toolchain.qemu_plugin import build_call_plugin
from edgeprune.firmware.build import built

BOARD = "mps2-an386"
HOST = """
import sys
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import Firmware
from edgeprune.devices.transports.qemu_system import QemuSystem
from edgeprune.firmware.build import built

board = load_board(sys.argv[1])
firmware = Firmware(built(board.name), "ep_run", "ep_.*__.*")
line = QemuSystem(board, Device(board.name, board.name)).line(firmware)
line.read(1, 60.0)
print(line._child._process.pid, flush=True)
sys.stdin.read()
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.device
def test_the_emulation_ends_with_the_process_that_started_it_however_that_ends():
    built(BOARD), build_call_plugin()
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, BOARD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    emulator = int(host.stdout.readline())
    try:
        assert is_alive(emulator)
        host.send_signal(signal.SIGKILL)
        host.communicate()
        end_s = time.monotonic() + 60
        while is_alive(emulator) and time.monotonic() < end_s:
            time.sleep(0.1)
        assert not is_alive(emulator)
    finally:
        if is_alive(emulator):
            os.kill(emulator, signal.SIGKILL)
