"""Sessions with firmware on an emulated microcontroller, over lines that may damage bytes."""

from __future__ import annotations

import random
from contextlib import contextmanager

from edgeprune.agents.firmware.session import EMULATED_PATIENCE_S, FirmwareSession
from edgeprune.agents.wire import Frame, pack
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import Firmware, Line, line_transport
from edgeprune.errors import DeviceTimeout
from edgeprune.firmware.build import built
from edgeprune.pipeline.firmware_half import COUNTED, PARTS

BOARD = "mps2-an386"


def firmware(board=BOARD):
    return Firmware(built(load_board(board).agent.target), COUNTED, PARTS)


@contextmanager
def session(through=lambda line: line, patience_s=EMULATED_PATIENCE_S):
    """A session with a fresh emulated board; ``through`` makes another line of its line."""
    with emulated_line(BOARD) as line:
        yield FirmwareSession(through(line), BOARD, patience_s)


@contextmanager
def emulated_line(name):
    """The line to a fresh emulated board."""
    board = load_board(name)
    with line_transport(board, Device(name, name)) as way:
        line = way.line(firmware(name))
        try:
            yield line
        finally:
            line.close()


class Damaging(Line):
    """A line on which bytes go wrong, always the same ones.

    Attributes:
        damaged: How many did.
    """

    def __init__(self, line, *, written=(), read_share=0.0):
        """``written``: numbers of writes to damage; ``read_share``: share of reads of a content.

        A damaged length is waited for in vain, which only takes longer.
        """
        self._line, self._written, self._share = line, written, read_share
        self._rng, self._writes, self.damaged = random.Random(1), 0, 0

    def write(self, data, timeout_s):
        if self._writes in self._written:
            data = self._flipped(data)
        self._writes += 1
        self._line.write(data, timeout_s)

    def read(self, size, timeout_s):
        data = self._line.read(size, timeout_s)
        is_content = len(data) > 8
        return self._flipped(data) if is_content and self._rng.random() < self._share else data

    def _flipped(self, data):
        self.damaged += 1
        at = self._rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self._rng.randrange(8))]) + data[at + 1 :]

    def counts(self):
        return self._line.counts()

    def close(self, timeout_s=5.0):
        return self._line.close(timeout_s)


class Scripted(Line):
    """A line at whose other end stands a list of answers, whatever is asked.

    Attributes:
        asked: What was written.
    """

    def __init__(self, *answers):
        """``answers``: bytes as they come, dicts as frames, or a dict and its blob."""
        self._waiting = b"".join(map(_bytes, answers))
        self.asked = []

    def write(self, data, timeout_s):
        self.asked.append(data)

    def read(self, size, timeout_s):
        if size > len(self._waiting):
            raise DeviceTimeout("nothing more came")
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def close(self, timeout_s=5.0):
        return None


def _bytes(answer):
    if isinstance(answer, bytes):
        return answer
    message, blob = answer if isinstance(answer, tuple) else (answer, b"")
    return pack(Frame(message, blob))
