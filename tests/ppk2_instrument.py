"""A simulated PPK2 at the end of a pseudo-terminal: it speaks the instrument's serial protocol."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import threading
import tty

import numpy as np
from waits import until

RATE_HZ = 100_000
CHUNK_S = 0.01
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
    """Sends the currents of a function of time, from the start command on, as its time passes.

    Attributes:
        port: What a meter opens.
        host: The host's clock, simulated.
        began_s: When it got the start command, on that clock.
        commands: All that it was sent.
    """

    def __init__(self, host, amperes, volts, drop=lambda numbers: np.full(len(numbers), False)):
        self.host, self.sent = host, 0
        host.passing.append(self._pass)
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
        while not self._ends.is_set():
            ready, _, _ = select.select([self.master], [], [], 0.005)
            command = os.read(self.master, 64) if ready else b""
            self.commands += command
            if command.endswith(b"\x19"):
                self._write(self.answer)
            if command.endswith(b"\x06"):
                self.began_s, self.sent = self.host.now_s(), 0
            if command.endswith(b"\x07"):
                self.began_s_last, self.began_s = self.began_s, None

    def _pass(self, from_s, until_s):
        """Sends what is due, and goes on once it was read: the host's time stands meanwhile."""
        for at_s in np.arange(from_s + CHUNK_S, until_s + CHUNK_S / 2, CHUNK_S):
            self.host.at_s = float(at_s)
            due = int((self.host.at_s - self.began_s) * RATE_HZ)
            numbers = np.arange(self.sent, due)
            words = encoded(self.amperes(numbers / RATE_HZ), self.volts, self.sent)
            self._write(words[~self.drop(numbers)].tobytes())
            self.sent = due
            until(lambda: self._unread_bytes() == 0)
        self.host.at_s = until_s

    def _unread_bytes(self):
        return struct.unpack("i", fcntl.ioctl(self.slave, termios.FIONREAD, bytes(4)))[0]

    def _write(self, data):
        while data and not self._ends.is_set():
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                select.select([], [self.master], [], 0.05)
