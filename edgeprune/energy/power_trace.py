"""What a meter recorded: power or counted energy over time, and what lies between two moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeprune.errors import DeviceError

Tier = Literal["measured-external", "measured-onboard"]
"""Where the sensor sits: in the supply line, or on the board itself."""

Series = NDArray[np.float64]


@dataclass(frozen=True)
class PowerTrace:
    """A meter's record: either power or a growing energy counter.

    Attributes:
        time_s: Monotonic seconds of each sample, ascending, shape ``(samples,)``.
        power_w: Watts at those times, shape ``(samples,)``, or None.
        energy_j: Joules since any moment, wraps undone, shape ``(samples,)``, or None.
        sensor: What measured, for the report.
        tier: Where the sensor sits.
        period_s: Seconds from sample to sample as intended.
        update_period_s: Seconds from one new value of the sensor to the next; None where it is not
            known, so that changes of the value are counted.
        notes: What the figures leave out, one line each.
    """

    time_s: Series
    power_w: Series | None
    energy_j: Series | None
    sensor: str
    tier: Tier
    period_s: float
    update_period_s: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.power_w is None) == (self.energy_j is None):
            raise DeviceError(f"{self.sensor}: a record holds either power or energy")
        if len(self.time_s) != len(self.values):
            raise DeviceError(
                f"{self.sensor}: {len(self.time_s)} times for {len(self.values)} values"
            )
        if len(self.time_s) == 0:
            raise DeviceError(f"{self.sensor}: it brought back no samples: is it connected?")
        if not (np.isfinite(self.time_s).all() and np.isfinite(self.values).all()):
            raise DeviceError(f"{self.sensor}: a sample is not a finite number")
        if (np.diff(self.time_s) <= 0).any():
            raise DeviceError(f"{self.sensor}: the times of its samples do not ascend")

    @property
    def values(self) -> Series:
        """Watts or joules, whichever there are."""
        found = self.power_w if self.energy_j is None else self.energy_j
        return np.empty(0) if found is None else found

    @property
    def spacing_s(self) -> float:
        """Seconds between two new values: of the sensor, or of its readings if they come later."""
        return max(self.period_s, self.update_period_s or 0.0)

    def covers(self, start_s: float, end_s: float) -> bool:
        """Whether samples lie on both sides of the window, or less than a spacing inside it."""
        slack_s = self.spacing_s
        return bool(self.time_s[0] <= start_s + slack_s and self.time_s[-1] >= end_s - slack_s)

    def energy_between_j(self, start_s: float, end_s: float) -> float:
        """Joules between two moments: trapezoids over power, or the counter's growth.

        Between two samples both are taken as straight lines; before the first and behind the last
        sample power is constant.
        """
        times_s = np.array([start_s, end_s])
        if self.energy_j is not None:
            ends_j = np.interp(times_s, self.time_s, self.energy_j)
            return float(ends_j[1] - ends_j[0])
        inside = self._inside(start_s, end_s)
        x_s = np.concatenate([[start_s], self.time_s[inside], [end_s]])
        return float(np.trapezoid(np.interp(x_s, self.time_s, self.values), x_s))

    def samples_between(self, start_s: float, end_s: float) -> int:
        """Samples in the window."""
        return int(self._inside(start_s, end_s).sum())

    def updates_between(self, start_s: float, end_s: float) -> int:
        """New values of the sensor in the window.

        At a known update period, as many as there are periods with a sample; else samples that
        differ from the one before.
        """
        inside = self._inside(start_s, end_s)
        if self.update_period_s is not None:
            # Samples as far apart as the periods fall into the middle of theirs, so that jitter
            # does not put two of them into one.
            slots = np.floor((self.time_s[inside] - start_s) / self.update_period_s)
            elapsed = int(np.ceil((end_s - start_s) / self.update_period_s))
            is_slower = self.period_s >= self.update_period_s
            return int(inside.sum()) if is_slower else min(elapsed, len(np.unique(slots)))
        has_changed = np.concatenate([[True], np.diff(self.values) != 0])
        return int((has_changed & inside).sum())

    def largest_gap_s(self, start_s: float, end_s: float) -> float:
        """Longest time in the window without a sample, from its start and to its end included."""
        near = np.concatenate([[start_s], self.time_s[self._inside(start_s, end_s)], [end_s]])
        return float(np.diff(near).max())

    def _inside(self, start_s: float, end_s: float) -> NDArray[np.bool_]:
        return (self.time_s >= start_s) & (self.time_s <= end_s)


def unwrapped(counter: Series, modulus: float | Series) -> Series:
    """A counter that begins again at 0 after ``modulus``, as one that goes on.

    It may wrap at most once between two samples, which no later step could tell.

    Args:
        counter: Readings in order, shape ``(samples,)`` or ``(samples, counters)``.
        modulus: What a wrap takes away, in the counter's unit; one number, or one a counter.

    >>> unwrapped(np.array([90.0, 98.0, 5.0, 20.0]), 100.0)
    array([ 90.,  98., 105., 120.])
    """
    wraps = np.cumsum(np.diff(counter, axis=0, prepend=counter[:1]) < 0, axis=0)
    return np.asarray(counter + wraps * modulus)
