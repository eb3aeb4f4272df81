"""Nordic's Power Profiler Kit II as an ampere meter in the supply line, up to 1 A.

It sends 100,000 currents a second over its serial port; their voltage is the supply's, as the user
says. Source of commands, sample format and conversion: Nordic, pc-nrfconnect-ppk, src/device
(constants and serialDevice), read as facts; its filter against spikes on a change of range is left
out, which matters to single samples and not to their mean.
"""

from __future__ import annotations

import os
import re
import select
import threading
import time
import tty
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgeprune.energy.arrivals import host_times_s
from edgeprune.energy.power_trace import PowerTrace, Series, Tier
from edgeprune.errors import ConfigError, DeviceError, NoSensor
from edgeprune.meters.base import METERS, Meter, Site

_BY_ID = Path("/dev/serial/by-id")
_START, _STOP, _CALIBRATION = b"\x06", b"\x07", b"\x19"
_AMPERE_METER, _PASS_CURRENT = b"\x11\x01", b"\x0c\x01"
_ANSWER_S = 3.0
_RATE_HZ = 100_000
_SAMPLE_BYTES = 4
_COUNTS = 64
"""Samples carry a counter of 6 bits."""

_RANGES = 5
_VOLTS_PER_COUNT = 1.8 / 163840
_BIN = 100
"""Samples that are averaged to one: 1 ms. A bin with fewer than half of them is left out."""

_DRIFT_S = 0.05
_DEFAULTS = {"R": (1031.64, 101.65, 10.15, 0.94, 0.043)}


@METERS.register
class Ppk2(Meter):
    """Records the current between its VIN and VOUT, times the supply's voltage."""

    tier: ClassVar[Tier] = "measured-external"
    on_device: ClassVar[bool] = False

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.update_period_s = _BIN / _RATE_HZ
        self._file: int | None = None
        self._chunks: list[tuple[float, bytes]] = []
        self._done = threading.Event()
        self._reader: threading.Thread | None = None

    def open(self) -> None:
        """Opens the port, asks for the calibration, and lets current through."""
        voltage_v = self.site.table.voltage_v
        if voltage_v is None:
            raise ConfigError(
                "a PPK2 knows no voltage: give voltage_v in the device's meter table of bench.toml"
            )
        self._volts = voltage_v
        self._port = self.site.table.at or _only_port()
        try:
            self._file = os.open(self._port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(self._file)
        except (OSError, tty.error) as error:  # type: ignore[attr-defined]
            raise NoSensor(f"{self._port}: the PPK2 cannot be opened: {error}") from error
        self._calibration = _parse_calibration(self._ask_calibration(), self._port)
        self._write(_AMPERE_METER + _PASS_CURRENT)

    def start(self) -> None:
        """Begins to record, in a thread."""
        self._chunks.clear()
        self._done.clear()
        self._reader = threading.Thread(target=self._receive, daemon=True)
        self._reader.start()
        self._write(_START)

    def stop(self) -> PowerTrace:
        """Ends the record, and makes currents of what was sent."""
        self._write(_STOP)
        self._end_reader()
        sensor = f"PPK2 at {self._volts:g} V"
        words, arrived_s = _words(self._chunks)
        device_s = _sample_numbers(words) / _RATE_HZ
        times_s = host_times_s(device_s, arrived_s, sensor, _DRIFT_S)
        amperes = _amperes(words, self._calibration, self._volts)
        times_s, amperes = _averaged(times_s, amperes)
        return PowerTrace(
            time_s=times_s,
            power_w=amperes * self._volts,
            energy_j=None,
            sensor=sensor,
            tier=self.tier,
            period_s=_BIN / _RATE_HZ,
            update_period_s=_BIN / _RATE_HZ,
        )

    def close(self) -> None:
        """Closes the port; the device keeps its supply."""
        self._end_reader()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _end_reader(self) -> None:
        self._done.set()
        if self._reader is not None:
            self._reader.join()
            self._reader = None

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._opened(), data)
        except OSError as error:
            raise DeviceError(f"{self._port}: the PPK2 takes no commands: {error}") from error

    def _opened(self) -> int:
        if self._file is None:
            raise DeviceError("the PPK2 is not open")
        return self._file

    def _take(self, timeout_s: float) -> bytes:
        """What has arrived; empty after ``timeout_s`` without anything."""
        ready, _, _ = select.select([self._opened()], [], [], timeout_s)
        try:
            return os.read(self._opened(), 1 << 16) if ready else b""
        except OSError as error:
            raise DeviceError(f"{self._port}: the PPK2 is gone: {error}") from error

    def _ask_calibration(self) -> str:
        self._write(_STOP)  # it may still be sending to a program that went away
        while self._take(0.1):
            pass
        self._write(_CALIBRATION)
        text, deadline_s = b"", time.monotonic() + _ANSWER_S
        while b"END" not in text and time.monotonic() < deadline_s:
            text += self._take(0.1)
        return text.decode("ascii", "replace")

    def _receive(self) -> None:
        while not self._done.is_set():
            try:
                chunk = self._take(0.05)
            except DeviceError:
                return  # the record then ends too early, and stop() says so
            if chunk:
                self._chunks.append((self.site.clock.now_s(), chunk))


def _only_port() -> str:
    """The port of the one PPK2 on this machine.

    Raises:
        NoSensor: There is none.
        ConfigError: There are several.
    """
    # A PPK2 may show several ports, of which one measures; the user then tells which.
    ports = sorted(_BY_ID.glob("*PPK2*")) if _BY_ID.is_dir() else []
    if not ports:
        raise NoSensor(f"no PPK2 is in {_BY_ID}: plug it in, or name its port: --meter ppk2:PORT")
    if len(ports) > 1:
        names = ", ".join(map(str, ports))
        raise ConfigError(f"several PPK2 ports are there, name one: --meter ppk2:PORT: {names}")
    return str(ports[0])


def _parse_calibration(text: str, port: str) -> Mapping[str, Series]:
    """Five numbers for each of R, GS, GI, O, S, I and UG, one a range.

    Raises:
        DeviceError: The answer is none of a PPK2's.
    """
    if "END" not in text:
        raise DeviceError(f"{port}: it does not answer as a PPK2 does")
    settings = {match[1]: match[2] for match in re.finditer(r"(\w+): (\S+)", text)}
    table = {}
    for key in ("R", "GS", "GI", "O", "S", "I", "UG"):
        numbers = [
            float(settings.get(f"{key}{n}", 0 if key in "OSI" else 1)) for n in range(_RANGES)
        ]
        if key == "R":
            numbers = [n or d for n, d in zip(numbers, _DEFAULTS["R"], strict=True)]
        table[key] = np.array(numbers)
    return table


def _words(chunks: list[tuple[float, bytes]]) -> tuple[NDArray[np.uint32], Series]:
    """Samples as sent, and when the host had each."""
    data = b"".join(chunk for _, chunk in chunks)
    words = np.frombuffer(data[: len(data) // _SAMPLE_BYTES * _SAMPLE_BYTES], "<u4")
    ends = np.cumsum([len(chunk) for _, chunk in chunks]) // _SAMPLE_BYTES
    which = np.searchsorted(ends, np.arange(len(words)), side="right")
    times_s = np.array([arrived_s for arrived_s, _ in chunks] or [0.0])
    return words, times_s[np.minimum(which, len(times_s) - 1)]


def _sample_numbers(words: NDArray[np.uint32]) -> Series:
    """The number of each sample since the first, with those counted that did not arrive."""
    counters = ((words >> 18) & (_COUNTS - 1)).astype(np.int64)
    steps = np.diff(counters) % _COUNTS
    steps[steps == 0] = _COUNTS
    return np.concatenate([[0], np.cumsum(steps)])[: len(words)].astype(np.float64)


def _amperes(words: NDArray[np.uint32], table: Mapping[str, Series], volts: float) -> Series:
    """Currents by the instrument's own calibration.

    With ``x = (4 adc - O) * 1.8 / 163840 / R``, all by the sample's range:
    ``UG (x (GS x + GI) + S volts + I)``.
    """
    of_range = np.minimum((words >> 14) & 7, _RANGES - 1)
    c = {key: numbers[of_range] for key, numbers in table.items()}
    x = ((words & 0x3FFF) * 4.0 - c["O"]) * _VOLTS_PER_COUNT / c["R"]
    return np.asarray(c["UG"] * (x * (c["GS"] * x + c["GI"]) + c["S"] * volts + c["I"]))


def _averaged(times_s: Series, values: Series) -> tuple[Series, Series]:
    """Means over bins of 1 ms."""
    bins = np.floor((times_s - times_s[0]) * _RATE_HZ / _BIN + 1e-6).astype(np.int64)
    count = np.bincount(bins)
    kept = count >= _BIN // 2
    safe = np.maximum(count, 1)
    return (np.bincount(bins, times_s) / safe)[kept], (np.bincount(bins, values) / safe)[kept]
