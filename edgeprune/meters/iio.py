"""A power sensor with a Linux industrial-I/O driver on the device, such as ina2xx-adc.

``(raw + offset) * scale`` is millivolts, milliamperes or milliwatts; ``_input`` is that already.
Source: Linux, Documentation/ABI/testing/sysfs-bus-iio.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from edgeprune.energy.power_trace import Series
from edgeprune.errors import ConfigError, DeviceError, NoSensor
from edgeprune.meters.base import METERS, FileMeter, Plan, number_or_none
from edgeprune.text.untrusted import device_says

_FOLDER = "/sys/bus/iio/devices"
_POLL_S = 0.02
_CHANNEL = re.compile(r"in_(power|voltage|current)(\d*)_(raw|input)")
_SHUNT = "ina2"
"""Drivers of this name have the shunt's voltage as channel 0 and the bus's as channel 1. Source:
Linux, drivers/iio/adc/ina2xx-adc.c, the channels of ina219 and ina226."""


@dataclass(frozen=True)
class _Channel:
    """A reading: ``(number + offset) * scale`` is in mV, mA or mW."""

    name: str
    file: str
    offset: float
    scale: float


@METERS.register
class Iio(FileMeter):
    """Takes voltage times current, or power where these are missing.

    Where a device has several of them, ``rails`` names the channels: ``["voltage1", "current3"]``.
    """

    def plan(self) -> Plan:
        """Finds the one device with channels of power."""
        folder = (self.site.table.at or _FOLDER).rstrip("/")
        names = ("name", "in_*", "sampling_frequency", "in_sampling_frequency")
        content = self.read([f"{folder}{deep}/{n}" for deep in ("", "/iio:device*") for n in names])
        readable = {path: text for path, text in content.items() if text}
        devices = sorted({str(PurePosixPath(path).parent) for path in readable})
        factors_of = {
            device: _factors(readable, device, self.site.table.rails) for device in devices
        }
        fitting = {device: factors for device, factors in factors_of.items() if factors}
        if not fitting:
            raise NoSensor(
                f"{folder} on the device has no sensor of power, or of voltage and current: load "
                "the driver of the board's sensor, or measure with an external meter"
            )
        if len(fitting) > 1:
            raise ConfigError(
                f"several sensors measure power: {', '.join(fitting)}; name one: at = FOLDER in "
                "the device's meter table of bench.toml"
            )
        ((device, factors),) = fitting.items()
        rate_hz = _rate_hz(readable, device)
        period_s = max(_POLL_S, 1 / rate_hz) if rate_hz else _POLL_S
        return Plan(
            sensor=f"iio {readable.get(f'{device}/name', device)} "
            + " x ".join(channel.name for channel in factors),
            files=tuple(channel.file for channel in factors),
            convert=lambda numbers: _watts(numbers, factors),
            period_s=period_s,
            update_period_s=period_s if rate_hz else None,
        )


def _rate_hz(content: Mapping[str, str], device: str) -> float | None:
    names = ("in_sampling_frequency", "sampling_frequency")
    text = next((t for name in names if (t := content.get(f"{device}/{name}"))), None)
    rate_hz = number_or_none(text)
    return rate_hz if rate_hz and rate_hz > 0 else None


def _factors(
    content: Mapping[str, str], device: str, rails: tuple[str, ...]
) -> tuple[_Channel, ...]:
    """Channels whose product is the power; empty if the device has none.

    Raises:
        ConfigError: There are several channels of one kind, or none of a name.
    """
    channels = _channels(content, device)
    missing = [rail for rail in rails if channels and rail not in channels]
    if missing:
        raise ConfigError(
            f"{device} has no channel {', '.join(missing)}; there are: {', '.join(channels)}"
        )
    kept = [c for c in channels.values() if c.name in rails or not rails]
    if not rails and content.get(f"{device}/name", "").startswith(_SHUNT):
        kept = [channel for channel in kept if channel.name != "voltage0"]
    kinds = {k: [c for c in kept if c.name.startswith(k)] for k in ("voltage", "current", "power")}
    pair = kinds["voltage"] and kinds["current"]
    wanted = [*kinds["voltage"], *kinds["current"]] if pair else kinds["power"]
    if len(wanted) > (2 if pair else 1):
        raise ConfigError(
            f"{device} has several channels: {', '.join(c.name for c in wanted)}; name one voltage "
            "and one current: rails = [...] in the device's meter table of bench.toml"
        )
    return tuple(wanted)


def _channels(content: Mapping[str, str], device: str) -> dict[str, _Channel]:
    found = {}
    for path in content:
        match = _CHANNEL.fullmatch(PurePosixPath(path).name)
        if match is None or str(PurePosixPath(path).parent) != device:
            continue
        kind, number, form = match.groups()
        offset, scale = 0.0, 1.0
        if form == "raw":
            offset = _attribute(content, device, kind, number, "offset", 0.0)
            scale = _attribute(content, device, kind, number, "scale", 1.0)
        found[kind + number] = _Channel(kind + number, path, offset, scale)
    return found


def _attribute(
    content: Mapping[str, str], device: str, kind: str, number: str, name: str, default: float
) -> float:
    """A channel's own attribute, or the one that all channels of its kind share.

    Raises:
        DeviceError: It is no number.
    """
    own = content.get(f"{device}/in_{kind}{number}_{name}")
    text = own or content.get(f"{device}/in_{kind}_{name}")
    value = number_or_none(text) if text else default
    if value is None:
        said = device_says(text)
        raise DeviceError(f"{device}: the {name} of {kind}{number} is no number; {said}")
    return value


def _watts(numbers: Series, factors: tuple[_Channel, ...]) -> Series:
    offsets = np.array([channel.offset for channel in factors])
    scales = np.array([channel.scale for channel in factors])
    return np.asarray(((numbers + offsets) * scales / 1e3).prod(axis=1))
