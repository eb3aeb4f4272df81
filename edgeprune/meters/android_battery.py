"""A phone's battery gauge: ``current_now`` and ``voltage_now`` of its power supply.

Linux has microamperes, positive while charging; makers write milliamperes and the other sign too,
and -2147483648 for "not known". So units are told by size, and the sign by the battery's own word
that it discharges. Source: Linux, Documentation/ABI/testing/sysfs-class-power; deviations: this
project's research into energy measurement, section 2.4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from edgeprune.energy.power_trace import Series
from edgeprune.errors import DeviceError, NoSensor
from edgeprune.meters.base import METERS, FileMeter, Plan, numbers_of
from edgeprune.text.untrusted import one_line

_FOLDER = "/sys/class/power_supply"
_POLL_S = 0.1
_UNKNOWN = (-(2**31), 2**31 - 1)
_MILLIVOLTS = (2e3, 2e4)
"""One or several cells in series, 2 V to 20 V, in mV; 1000 times as much in uV."""

_MAX_MILLIAMPERES = 1e4
_LEAST_MICROAMPERES = 2e4
"""A phone that infers draws 20 mA to 10 A, so that both units cannot be meant. Source: ours."""


@METERS.register
class AndroidBattery(FileMeter):
    """Measures a phone that runs from its battery."""

    def plan(self) -> Plan:
        """Finds the battery; a plugged-in phone is refused."""
        folder = (self.site.table.at or _FOLDER).rstrip("/")
        names = ("type", "status", "current_now", "voltage_now")
        content = self.read([f"{folder}/*/{name}" for name in names])
        batteries = [
            str(PurePosixPath(path).parent)
            for path, text in content.items()
            if path.endswith("/type") and text == "Battery"
        ]
        fitting = [b for b in batteries if f"{b}/current_now" in content]
        if not fitting:
            raise NoSensor(f"{folder} on the device has no battery that tells its current")
        battery = fitting[0]
        files = tuple(f"{battery}/{name}" for name in ("current_now", "voltage_now", "status"))
        hidden = [file for file in files if content.get(file) is None]
        if hidden:
            raise NoSensor(f"{hidden[0]} may not be read by this user")
        _check_discharging(content[files[2]] or "")
        return Plan(
            sensor=f"battery gauge {PurePosixPath(battery).name}",
            files=files,
            parse=_numbers,
            convert=_watts,
            period_s=_POLL_S,
            notes=("the battery gauge covers the whole phone, screen and radios included",),
        )


def _check_discharging(status: str) -> None:
    if status != "Discharging":
        raise DeviceError(
            f"the battery is {one_line(status, 20).lower() or 'silent'}: unplug the charger, or "
            "switch off the supply of the USB cable, since current that charges is not current "
            "that is used"
        )


def _numbers(texts: Sequence[str]) -> list[float]:
    """Current and voltage.

    Raises:
        ValueError: The gauge does not know one of them.
        DeviceError: The phone was plugged in meanwhile.
    """
    _check_discharging(texts[2])
    values = numbers_of([re.sub(r"\s.*", "", text) for text in texts[:2]])
    if any(value in _UNKNOWN for value in values):
        raise ValueError("not known")
    return values


def _watts(numbers: Series) -> Series:
    """Power of a battery that discharges, whatever its sign and units.

    Raises:
        DeviceError: The numbers fit no unit.
    """
    current, voltage = numbers[:, 0], numbers[:, 1]
    middle = float(np.median(voltage))
    volts = next(
        (s for s in (1e-3, 1e-6) if _MILLIVOLTS[0] <= middle * s * 1e3 <= _MILLIVOLTS[1]), None
    )
    if volts is None:
        raise DeviceError(f"the battery's voltage, {middle:g}, is neither in mV nor in uV")
    large = float(np.percentile(np.abs(current), 95))
    if not large <= _MAX_MILLIAMPERES and not large >= _LEAST_MICROAMPERES:
        raise DeviceError(f"the battery's current, {large:g}, may be in mA or in uA: use a meter")
    amperes = 1e-3 if large <= _MAX_MILLIAMPERES else 1e-6
    sign = -1.0 if np.median(current) < 0 else 1.0
    return np.asarray(sign * current * amperes * voltage * volts)
