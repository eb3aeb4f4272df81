"""Any lab meter that writes a log: a CSV file with a time and units in its header.

The log is being written while edgeprune runs; only what is added during the measurement is read.
Decimal point and comma, and ``,`` ``;`` or tab between columns, are told apart by the file itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgeprune.energy.power_trace import PowerTrace, Series, Tier
from edgeprune.errors import ConfigError, DeviceError, NoSensor
from edgeprune.meters._meter_log import Layout, layout_of, moment_s, parse_rows
from edgeprune.meters.base import METERS, Meter, Site

_HEADER_BYTES = 64 << 10
_TAIL_BYTES = 4 << 10
_LATE_S = 30.0
"""A meter's program may keep its last lines to itself for this long."""

_POLL_S = 0.25


@METERS.register
class Csv(Meter):
    """Reads the log of a meter in the supply line."""

    tier: ClassVar[Tier] = "measured-external"
    on_device: ClassVar[bool] = False

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._layout: Layout | None = None
        self._offset = 0
        self.late_s = _LATE_S

    def open(self) -> None:
        """Reads the header, and what the first lines say about the meter's period."""
        if self.site.table.at is None:
            raise ConfigError("the meter csv needs the log's file: --meter FILE.csv, or at = FILE")
        self._path = Path(os.path.expanduser(self.site.table.at))
        content = self._bytes(0, _HEADER_BYTES)
        head = content[: content.rfind(b"\n") + 1].decode("utf-8-sig", "replace")
        self._layout = layout_of(head, self.site.table, str(self._path))
        rows = parse_rows(head, self._layout)
        self.update_period_s = _period_s(rows[:, 0]) if len(rows) > 2 else None

    def start(self) -> None:
        """Remembers where the log's next line begins."""
        tail_at = max(0, self._size() - _HEADER_BYTES)
        self._offset = tail_at + self._bytes(tail_at, -1).rfind(b"\n") + 1

    def stop(self) -> PowerTrace:
        """Waits until the log has come to this moment, and reads what was added."""
        layout, clock = self._opened(), self.site.clock
        end_s = clock.unix_s()
        deadline_s = clock.now_s() + self.late_s
        while (last_s := self._last_s(layout)) < end_s - (self.update_period_s or 0.0):
            if clock.now_s() > deadline_s:
                late = f"its last line is {end_s - last_s:.1f} s older than the measurement's end"
                what = "it got no lines" if last_s == -np.inf else late
                raise DeviceError(
                    f"{self._path}: {what}: is the meter logging, and is its clock right?"
                )
            clock.sleep(_POLL_S)
        rows = parse_rows(self._whole_lines(self._offset), layout)
        times_s = moment_s(rows[:, 0], layout) + (clock.now_s() - clock.unix_s())
        return self._trace(times_s, rows, layout)

    def _last_s(self, layout: Layout) -> float:
        """Unix seconds of the log's last line since the start."""
        tail_at = max(self._offset, self._size() - _TAIL_BYTES)
        rows = parse_rows(self._whole_lines(tail_at), layout)
        # The first of these lines may be cut, and be read as something else.
        rows = rows if tail_at == self._offset else rows[1:]
        return float(moment_s(rows[-1:, 0], layout)[0]) if len(rows) else -np.inf

    def close(self) -> None:
        """Nothing to let go of."""

    def _trace(self, times_s: Series, rows: Series, layout: Layout) -> PowerTrace:
        if (np.diff(times_s) < 0).any():
            raise DeviceError(f"{self._path}: its times run backwards: was its clock set?")
        # Lines of one instant, as of a fast meter with a coarse clock, count as their mean.
        times_s, group = np.unique(times_s, return_inverse=True)
        values = np.bincount(group, rows[:, 1]) / np.bincount(group)
        if layout.counts_energy and (np.diff(values) < 0).any():
            raise DeviceError(f"{self._path}: its energy counter runs backwards")
        period_s = _period_s(times_s) if len(times_s) > 1 else 1.0
        return PowerTrace(
            time_s=times_s,
            power_w=None if layout.counts_energy else values,
            energy_j=values if layout.counts_energy else None,
            sensor=f"{self._path.name} ({layout.columns})",
            tier=self.tier,
            period_s=period_s,
            update_period_s=period_s,
        )

    def _opened(self) -> Layout:
        if self._layout is None:
            raise NoSensor("the meter is not open")
        return self._layout

    def _whole_lines(self, offset: int) -> str:
        """The log from a byte on; the last line may still be being written, and is left out."""
        content = self._bytes(offset, -1)
        return content[: content.rfind(b"\n") + 1].decode("utf-8", "replace")

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot be read: {error.strerror}") from error

    def _bytes(self, offset: int, size: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot be read: {error.strerror}") from error


def _period_s(times_s: Series) -> float:
    return float(np.median(np.diff(np.unique(times_s)))) or 1.0
