"""The on-device power monitor of Google's phones (ODPM, Pixel 6 and later): counted energy by rail.

``energy_value`` holds a time in ms and a line a channel: ``CH<n>(T=<ms>)[<rail>], <uWs>``. Charging
does not disturb it. Source: Google's kernel for gs101 and gs201, drivers/iio/power/odpm.c,
energy_value_show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from edgeprune.energy.power_trace import Series
from edgeprune.errors import ConfigError, DeviceError, NoSensor
from edgeprune.meters.base import METERS, FileMeter, Plan

_FOLDER = "/sys/bus/iio/devices"
_POLL_S = 0.05
_CHANNEL = re.compile(r"CH[0-9]+(?:\(T=[0-9]+\))?\[([^\]]{1,64})\], ([0-9]{1,18})")


@METERS.register
class AndroidRails(FileMeter):
    """Adds up the rails that the user names, or all that are measured."""

    def plan(self) -> Plan:
        """Finds the channels of all chips."""
        folder = (self.site.table.at or _FOLDER).rstrip("/")
        content = self.read([f"{folder}/iio:device*/energy_value"])
        if not content:
            raise NoSensor(f"{folder} on the device has no energy_value: a Pixel 6 or later has")
        files = tuple(path for path, text in content.items() if text)
        if not files:
            raise NoSensor(f"{next(iter(content))} may not be read by this user: it needs adb root")
        there = [rail for file in files for rail in _joules(content[file] or "")]
        wanted = self.site.table.rails or tuple(there)
        missing = [rail for rail in wanted if rail not in there]
        if missing or not there:
            raise ConfigError(
                f"no rail is called {', '.join(missing) or '(any)'}; there are: {', '.join(there)}"
            )
        return Plan(
            sensor="ODPM " + " + ".join(wanted),
            files=files,
            parse=lambda texts: _counters(texts, wanted),
            convert=_sum,
            counts_energy=True,
            period_s=_POLL_S,
            notes=("ODPM covers the rails that its channels are set to, not the whole phone",),
        )


def _joules(text: str) -> dict[str, float]:
    return {match[1]: int(match[2]) / 1e6 for match in _CHANNEL.finditer(text)}


def _counters(texts: Sequence[str], wanted: Sequence[str]) -> list[float]:
    """Joules of each rail.

    Raises:
        ValueError: A rail is missing from this sample.
    """
    joules_of = {rail: joules for text in texts for rail, joules in _joules(text).items()}
    if any(rail not in joules_of for rail in wanted):
        raise ValueError("a rail is missing")
    return [joules_of[rail] for rail in wanted]


def _sum(numbers: Series) -> Series:
    """All rails together.

    Raises:
        DeviceError: A counter fell.
    """
    if (np.diff(numbers, axis=0) < 0).any():
        raise DeviceError("a rail's counter fell: its channel was set to another rail meanwhile")
    return np.asarray(numbers.sum(axis=1))
