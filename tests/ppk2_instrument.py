"""A simulated PPK2 at the end of a pseudo-terminal: it speaks the instrument's serial protocol."""

from __future__ import annotations

import os
import select
import threading
import time
import tty

import numpy as np

RATE_HZ = 100_000
CALIBRATION = {
    "R": (1003.36, 101.58, 10.31, 0.95, 0.06),
    "GS": (0.0, 0.02, 0.02, 0.01, 0.05),
    "GI": (1.0, 1.0, 0.98, 0.97, 0.99),
    "O": (112.83, 76.44, 57.15, 81.48, 85.33),
    "S": (0.0, 0.0, 0.0, 0.00002, 0.0001),
    "I": (0.0, 0.0, 0.0, -0.00005, 0.0003),
    "UG": (1.0, 1.0, 1.0, 1.0, 1.01),
}
RANGE_ENDS_A = (50e-6, 500e-6, 5e-3, 60e-3, 1.0)


def metadata():
    """The text that the instrument answers; its end is a line END."""
    lines = ["Calibrated: 0"]
    for key, numbers in CALIBRATION.items():
        lines += [f"{key}{n}: {number}" for n, number in enumerate(numbers)]
    return "\n".join([*lines, "VDD: 3000", "HW: 9173", "IA: 56", "END"]).encode()


def encoded(amperes, volts, first=0):
    """Samples as the instrument sends them: what its converter reads for these currents."""
    of_range = np.searchsorted(RANGE_ENDS_A, amperes).clip(0, 4)
    c = {key: np.array(numbers)[of_range] for key, numbers in CALIBRATION.items()}
    wanted = amperes / c["UG"] - c["S"] * volts - c["I"]
    root = np.sqrt(c["GI"] ** 2 + 4 * c["GS"] * wanted)
    x = np.where(c["GS"] > 0, (root - c["GI"]) / np.where(c["GS"] > 0, 2 * c["GS"], 1), wanted)
    x = np.where(c["GS"] > 0, x, wanted / c["GI"])
    adc = np.round((x * c["R"] / (1.8 / 163840) + c["O"]) / 4).astype(np.int64)
    assert (0 <= adc).all() and (adc < 1 << 14).all()
    counter = (first + np.arange(len(amperes))) % 64
    return (adc | of_range << 14 | counter << 18 | 0xA5 << 24).astype("<u4")


class Instrument:
    """Sends the currents of a function of time, in real time, from the start command on.

    Attributes:
        port: What a meter opens.
        began_s: When it got the start command, on the host's monotonic clock.
        commands: All that it was sent.
    """

    def __init__(self, amperes, volts, drop=lambda numbers: np.full(len(numbers), False)):
        self.amperes, self.volts, self.drop = amperes, volts, drop
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.port = os.ttyname(self.slave)
        self.commands = b""
        self.began_s = None
        self.answer = metadata()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()
        os.close(self.master)
        os.close(self.slave)

    def _serve(self):
        sent = 0
        while not self._ends.is_set():
            ready, _, _ = select.select([self.master], [], [], 0.005)
            command = os.read(self.master, 64) if ready else b""
            self.commands += command
            if command.endswith(b"\x19"):
                self._write(self.answer)
            if command.endswith(b"\x06"):
                self.began_s, sent = time.monotonic(), 0
            if command.endswith(b"\x07"):
                self.began_s_last, self.began_s = self.began_s, None
            if self.began_s is not None:
                until = int((time.monotonic() - self.began_s) * RATE_HZ)
                numbers = np.arange(sent, until)
                words = encoded(self.amperes(numbers / RATE_HZ), self.volts, sent)
                self._write(words[~self.drop(numbers)].tobytes())
                sent = until

    def _write(self, data):
        while data and not self._ends.is_set():
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                select.select([], [self.master], [], 0.05)
