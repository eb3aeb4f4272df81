"""A simulated sensor whose power follows what the agents of this process really do."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

IDLE_W, LOAD_W = 2.0, 5.0


def is_inferring():
    """Whether the main thread of an agent that this process started computes just now."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):  # it may have ended meanwhile
            name, _, rest = Path("/proc", process, "stat").read_text().rpartition(")")
            state, parent = rest.split()[:2]
            if name.endswith("(edgeprune-agent") and parent == str(os.getpid()) and state == "R":
                return True
    return False


@contextlib.contextmanager
def following(write, period_s=0.01):
    """Calls ``write(watts)`` every ``period_s`` seconds."""
    done = threading.Event()

    def loop():
        while not done.wait(period_s):
            write(LOAD_W if is_inferring() else IDLE_W)

    thread = threading.Thread(target=loop, daemon=True)
    write(IDLE_W)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def ina219(folder):
    """An hwmon device on disk."""
    device = Path(folder) / "hwmon0"
    device.mkdir()
    (device / "name").write_text("ina219\n")
    (device / "in1_input").write_text("5000\n")

    def write(watts):
        new = device / "new"
        new.write_text(f"{round(watts / 5 * 1000)}\n")
        new.replace(device / "curr1_input")

    with following(write):
        yield device


@contextlib.contextmanager
def csv_log(path, clock_error_s=0.0):
    """A lab meter's program that logs with Unix times, by a clock that is off."""
    with Path(path).open("w") as file:
        file.write("Time (s),Voltage (V),Current (mA)\n")

        def write(watts):
            file.write(f"{time.time() + clock_error_s:.4f},5.0,{watts / 5 * 1000:.2f}\n")
            file.flush()

        with following(write):
            yield
