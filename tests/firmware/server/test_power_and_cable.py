"""An emulated board whose power is cut, or whose cable is pulled, at any moment of an upload."""

import contextlib
import random
import subprocess
import time
import zlib

import pytest
import serial_line
import server_programs
from full_range import examples

from edgeprune.firmware.build import built

pytestmark = pytest.mark.device
TIMES = examples(1, 50)
SLOTS_AT, SLOTS_BYTES = 0x100000, 0x300000


@pytest.fixture(scope="module")
def networks():
    """Two plans; what stands behind a plan is stored with it, and makes an upload longer."""
    return [
        (plan + bytes((i * 7 + which) % 255 for i in range(6000)), outputs)
        for which, (plan, outputs) in enumerate(server_programs.networks(2))
    ]


class Board:
    """A board in QEMU whose flash is a file while it has no power."""

    def __init__(self, folder, name):
        self.flash = folder / f"{name}.bin"
        self.serial, self.monitor = folder / f"{name}.serial", folder / f"{name}.qmp"

    @contextlib.contextmanager
    def powered(self):
        argv = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none"]
        argv += ["-kernel", built("mps2-an386"), "-qmp", f"unix:{self.monitor},server=on,wait=off"]
        argv += ["-serial", f"unix:{self.serial},server=on,wait=on"]
        if self.flash.exists():
            argv += ["-device", f"loader,file={self.flash},addr={SLOTS_AT:#x},force-raw=on"]
        with subprocess.Popen(argv) as self.process:
            try:
                with serial_line.connected(self.serial) as connection:
                    self.line = serial_line.Line(connection)
                    self.line.read_until(b"m-ready\r\n")
                    yield self.line
            finally:
                self.process.kill()
        self.serial.unlink(missing_ok=True)
        self.monitor.unlink(missing_ok=True)

    def cut(self):
        """Stops the core between two instructions; what flash holds then is all that stays."""
        with serial_line.connected(self.monitor) as monitor:
            line = serial_line.Line(monitor)
            line.read_until(b"\r\n")
            for command in (
                '{"execute": "qmp_capabilities"}',
                '{"execute": "stop"}',
                '{"execute": "pmemsave", "arguments": '
                f'{{"val": {SLOTS_AT}, "size": {SLOTS_BYTES}, "filename": "{self.flash}"}}}}',
            ):
                line.send(command.encode())
                while b'"return"' not in line.read_until(b"\r\n"):
                    pass


def output_of(line):
    loaded = line.load()
    return line.outputs_of(bytes(loaded["inputs"][0]["bytes"]))


def check(line, old, new, had_old):
    """The device answers, and its plan is the old or the new one, whole."""
    hello = line.ask_until_answered("hello")
    by_crc = {zlib.crc32(plan): outputs for plan, outputs in (old, new)}
    if hello["slot"] >= 0:
        assert output_of(line) == by_crc[hello["plan_crc32"]]
    else:
        assert not had_old


@pytest.mark.parametrize("seed", range(TIMES))
def test_power_may_be_cut_at_any_moment_of_an_upload(tmp_path, networks, seed):
    old, new = networks
    board = Board(tmp_path, "board")
    with board.powered() as line:
        line.store(old[0])
        assert output_of(line) == old[1]
        plan, pieces = new[0], random.Random(seed)
        at = line.ask("store_begin", bytes=len(plan), crc32=zlib.crc32(plan))[0]["at"]
        for _ in range(pieces.randrange(len(plan) // 1024)):
            at = line.ask("store", plan[at : at + 1024], at=at)[0]["at"]
        line.id += 1  # the piece in which it happens
        line.send_frame({"id": line.id, "cmd": "store", "at": at}, plan[at : at + 1024])
        time.sleep(pieces.uniform(0, 0.15))
        board.cut()
    with board.powered() as line:
        check(line, old, new, had_old=True)
        line.store(new[0])
        assert output_of(line) == new[1]


def test_the_cable_may_be_pulled_at_any_moment_of_an_upload(tmp_path, networks):
    """The board keeps its power, and the host comes back over a new line."""
    draw = random.Random(1)
    old, new = networks
    with Board(tmp_path, "board").powered() as line:
        line.store(old[0])
        assert output_of(line) == old[1]
        for _ in range(TIMES):
            plan = new[0]
            begin = {"bytes": len(plan), "crc32": zlib.crc32(plan)}
            at = line.ask_until_answered("store_begin", **begin)["at"]
            frame = serial_line.frame({"id": 0, "cmd": "store", "at": at}, plan[at : at + 1024])
            line.send(frame[: draw.randrange(len(frame))])
            check(line, old, new, had_old=True)
            if draw.random() < 0.3:
                line.store(plan)
                assert output_of(line) == new[1]
                old, new = new, old
