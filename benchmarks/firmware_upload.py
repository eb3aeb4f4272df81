"""How much of a serial line's rate an upload of a plan reaches.

The product's own host, over a serial port of this machine (a pseudo-terminal), and firmware as a
program of this computer at its other end; between them each byte takes as long as at 115200 baud.

    python benchmarks/firmware_upload.py ../shared/models/kws_ref_model.tflite

What flash takes to be erased and programmed is not in it: this computer's memory needs no time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import queue
import subprocess
import threading
import time
import tty
from pathlib import Path

from edgeprune.agents.firmware.session import FirmwareSession
from edgeprune.devices.links.serial.port import SerialPort
from edgeprune.devices.toolchain.zig import compile_c
from edgeprune.devices.transports.serial_port import BAUD_RATE, PortLine
from edgeprune.files import paths
from edgeprune.firmware.plan import compiled

BITS_A_BYTE = 10
RATE = BAUD_RATE / BITS_A_BYTE
CHUNK_BYTES = 64


def server() -> Path:
    """The firmware as a program of this computer."""
    firmware = paths.shipped("firmware")
    portable = paths.shipped("device_agents") / "portable"
    code = [firmware / name for name in ("src", "server", "kernels")]
    sources = sorted(file for folder in code for file in folder.glob("*.c"))
    sources += [portable / f"{name}.c" for name in ("frame_header", "json", "text", "utf8")]
    sources += [firmware / "test" / "pipe_server.c"]
    includes = [firmware / "include", *code, portable]
    return compile_c("pipe_server", sources, ("-std=c99",), "host", includes)


class Paced:
    """Carries bytes one way, each as long as on the line, whose end holds what came."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target, self.carried_bytes = source, target, 0
        self.coming: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        for work in (self.take, self.give):
            threading.Thread(target=work, daemon=True).start()

    def take(self) -> None:
        """Notes when what was sent was sent."""
        with contextlib.suppress(OSError):
            while data := os.read(self.source, 1 << 16):
                self.coming.put((time.monotonic(), data))

    def give(self) -> None:
        """Hands on each byte when it has come."""
        free_s = 0.0
        while True:
            came_s, data = self.coming.get()
            free_s = max(free_s, came_s)
            for at in range(0, len(data), CHUNK_BYTES):
                chunk = data[at : at + CHUNK_BYTES]
                free_s += len(chunk) / RATE
                time.sleep(max(0.0, free_s - time.monotonic()))
                os.write(self.target, chunk)
                self.carried_bytes += len(chunk)


def main() -> None:
    """Uploads a network's plan once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    plan = compiled(parser.parse_args().model.read_bytes(), "scalar").data
    near, far = pty.openpty()
    tty.setraw(near)
    tty.setraw(far)
    with subprocess.Popen([server()], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("the server has no pipes")
        there = Paced(near, process.stdin.fileno())
        back = Paced(process.stdout.fileno(), near)
        line = PortLine(SerialPort(os.ttyname(far), BAUD_RATE))
        with FirmwareSession(line, "the server") as session:
            session.hello()
            carried = there.carried_bytes + back.carried_bytes
            begin_s = time.monotonic()
            session.store(plan)
            took_s = time.monotonic() - begin_s
        carried = there.carried_bytes + back.carried_bytes - carried
        process.kill()
    share = len(plan) / took_s / RATE
    print(
        f"{len(plan):,} bytes of plan in {took_s:.2f} s: {share:.1%} of {RATE:,.0f} bytes a second"
    )
    share = len(plan) / carried
    print(f"derived from the {carried:,} bytes that went, one way at a time: {share:.1%}")


if __name__ == "__main__":
    main()
