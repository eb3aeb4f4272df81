"""A power sensor with a Linux hwmon driver, such as INA219, INA226 or INA3221, on the device.

Source of names and units: Linux, Documentation/hwmon/sysfs-interface.rst: ``inN_input`` in mV,
``currN_input`` in mA, ``powerN_input`` in uW, ``update_interval`` in ms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgeprune.energy.power_trace import Series
from edgeprune.errors import ConfigError, DeviceError, NoSensor
from edgeprune.meters.base import METERS, FileMeter, Plan, number_or_none

_FOLDER = "/sys/class/hwmon"
_NAMES = ("name", "in*_input", "in*_label", "curr*_input", "power*_input", "power*_label")
_POLL_S = 0.02
_QUICK = re.compile(r"ina(2\d\d|3221)\b")
"""Chips that convert anew within :data:`_POLL_S` unless their driver names an interval.

532 us in an INA219, 1.1 ms in an INA226, 6 x 1.1 ms in an INA3221. Source: Texas Instruments
SBOS448, SBOS547 and SBOS576, conversion times after power-on.
"""

_AGREEMENT = 3.0
"""Power and voltage times current may differ by this factor: they are read one after the other."""


@dataclass(frozen=True)
class _Channel:
    """One rail: the files that give its power.

    Attributes:
        label: The driver's label, or ``<device>:<channel number>``.
        files: Voltage and current, or power alone.
        is_quick: Whether every sample finds a new value.
    """

    label: str
    files: tuple[str, ...]
    is_quick: bool


@METERS.register
class Hwmon(FileMeter):
    """Adds up the channels that the user names, or takes the only one."""

    def plan(self) -> Plan:
        """Finds channels with voltage and current, or with power."""
        folder = (self.site.table.at or _FOLDER).rstrip("/")
        patterns = [f"{folder}{deep}/{n}" for deep in ("", "/*") for n in _NAMES]
        patterns += [f"{folder}/update_interval", f"{folder}/*/update_interval"]
        content = self.read(patterns)
        channels = _channels(content)
        if not channels:
            raise NoSensor(
                f"{folder} on the device has no sensor of power, or of voltage and current: load "
                "the driver of the board's INA sensor, or measure with an external meter"
            )
        chosen = _choose(channels, self.site.table.rails)
        intervals = _intervals_s(content, chosen)
        period_s = max([_POLL_S, *intervals])
        return Plan(
            sensor="hwmon " + " + ".join(channel.label for channel in chosen),
            files=tuple(file for channel in chosen for file in channel.files),
            convert=lambda numbers: _watts(numbers, chosen),
            period_s=period_s,
            update_period_s=period_s if intervals or all(c.is_quick for c in chosen) else None,
        )


def _intervals_s(content: dict[str, str | None], chosen: list[_Channel]) -> list[float]:
    """How often the chosen channels' drivers measure, in seconds, where they say."""
    folders = {str(PurePosixPath(channel.files[0]).parent) for channel in chosen}
    periods = [
        number_or_none(content.get(f"{folder}/update_interval")) for folder in sorted(folders)
    ]
    return [value / 1e3 for value in periods if value]


def _channels(content: dict[str, str | None]) -> list[_Channel]:
    """All channels of all hwmon devices, in the order of their files.

    Raises:
        DeviceError: A driver's numbers contradict each other.
    """
    channels = []
    folders = sorted({str(PurePosixPath(path).parent) for path in content})
    for folder in folders:
        name = content.get(f"{folder}/name") or PurePosixPath(folder).name
        for number in sorted(_numbers(content, folder), key=int):
            channel = _channel(content, folder, name, number)
            if channel is not None:
                channels.append(channel)
    return channels


def _numbers(content: dict[str, str | None], folder: str) -> set[str]:
    pattern = re.compile(re.escape(folder) + r"/(?:curr|power)(\d+)_input")
    return {match[1] for path in content if (match := pattern.fullmatch(path))}


def _channel(
    content: dict[str, str | None], folder: str, name: str, number: str
) -> _Channel | None:
    """One channel; None where it cannot be read.

    Voltage times current goes before power, whose register has no sign in an INA226.
    """
    label = next(
        (
            text
            for kind in ("in", "power", "curr")
            if (text := content.get(f"{folder}/{kind}{number}_label"))
        ),
        f"{name}:{number}",
    )
    is_quick = _QUICK.match(name) is not None
    files = {k: f"{folder}/{k}{number}_input" for k in ("in", "curr", "power")}
    values = {kind: number_or_none(content.get(path)) for kind, path in files.items()}
    volts, amperes, power = values["in"], values["curr"], values["power"]
    if volts is None or amperes is None:
        return None if power is None else _Channel(label, (files["power"],), is_quick)
    watts = volts * amperes / 1e6
    if power and watts and not 1 / _AGREEMENT < abs(power / 1e6 / watts) < _AGREEMENT:
        raise DeviceError(
            f"{label}: the driver says {power / 1e6:.4g} W, and {watts:.4g} W by voltage and "
            "current: its units are wrong; measure with another meter"
        )
    return _Channel(label, (files["in"], files["curr"]), is_quick)


def _choose(channels: list[_Channel], rails: tuple[str, ...]) -> list[_Channel]:
    labels = ", ".join(channel.label for channel in channels)
    missing = [rail for rail in rails if rail not in {channel.label for channel in channels}]
    if missing:
        raise ConfigError(f"no rail is called {', '.join(missing)}; there are: {labels}")
    if not rails and len(channels) > 1:
        raise ConfigError(
            f"several rails can be measured: {labels}; one may include another, so name those to "
            "add up: rails = [...] in the device's meter table of bench.toml"
        )
    return [channel for channel in channels if channel.label in rails] if rails else channels


def _watts(numbers: Series, channels: list[_Channel]) -> Series:
    total = numbers[:, 0] * 0.0
    column = 0
    for channel in channels:
        if len(channel.files) == 2:
            total = total + numbers[:, column] * numbers[:, column + 1] / 1e6
        else:
            total = total + numbers[:, column] / 1e6
        column += len(channel.files)
    return total
