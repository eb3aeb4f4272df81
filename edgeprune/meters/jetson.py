"""The INA3221 sensors of NVIDIA's Jetson modules.

A module with a rail for all its input (``VDD_IN``) is measured there alone: the other rails lie
behind it, and adding them would count energy twice. Source: NVIDIA Jetson Linux Developer Guide,
Platform Power and Performance, Software-Based Power Consumption Modeling.
"""

from __future__ import annotations

import re

import numpy as np

from edgeprune.energy.power_trace import Series
from edgeprune.errors import ConfigError, NoSensor
from edgeprune.meters.base import METERS, FileMeter, Plan

_FOLDER = "/sys/class/hwmon"
_POLL_S = 0.02
_TOTALS = ("VDD_IN", "POM_5V_IN", "CVB_ATX_12V")
"""Rails that feed all others: Orin NX and Nano, Xavier NX and Nano, and a carrier board."""

_NO_RAIL = re.compile(r"NC|sum of shunt voltages", re.IGNORECASE)
"""Labels of channels that are not connected, or are no rail. Source: Linux, Documentation/hwmon/
ina3221.rst, in7 and curr4."""


@METERS.register
class Jetson(FileMeter):
    """Measures the input rail, or adds up the module's rails where there is none."""

    def plan(self) -> Plan:
        """Finds the rails by their labels."""
        folder = (self.site.table.at or _FOLDER).rstrip("/")
        names = ("in*_label", "in*_input", "curr*_input")
        content = self.read([f"{folder}/*/{name}" for name in names])
        rails = _rails(content)
        if not rails:
            raise NoSensor(
                f"{folder} on the device has no labelled INA3221 rails: is this a Jetson, and may "
                "its user read them?"
            )
        chosen = _choose(list(rails), self.site.table.rails)
        notes: tuple[str, ...] = ()
        if not self.site.table.rails and chosen[0] not in _TOTALS:
            notes = (f"no input rail: {' + '.join(chosen)} leave out the carrier board",)
        return Plan(
            sensor="INA3221 " + " + ".join(chosen),
            files=tuple(file for rail in chosen for file in rails[rail]),
            convert=_watts,
            period_s=_POLL_S,
            update_period_s=_POLL_S,
            notes=notes,
        )


def _rails(content: dict[str, str | None]) -> dict[str, tuple[str, str]]:
    """Voltage and current file of each rail, by label."""
    rails = {}
    for path, label in content.items():
        match = re.fullmatch(r"(.*)/in(\d+)_label", path)
        if match is None or not label or _NO_RAIL.fullmatch(label):
            continue
        folder, number = match.groups()
        files = (f"{folder}/in{number}_input", f"{folder}/curr{number}_input")
        if all(content.get(file) is not None for file in files):
            rails[label] = files
    return rails


def _choose(labels: list[str], named: tuple[str, ...]) -> list[str]:
    """The user's rails; else the one that feeds all others; else all.

    Raises:
        ConfigError: A rail of the user's is missing, or includes another one of them.
    """
    missing = [rail for rail in named if rail not in labels]
    if missing:
        raise ConfigError(f"no rail is called {', '.join(missing)}; there are: {', '.join(labels)}")
    total = next((label for label in _TOTALS if label in (named or labels)), None)
    if named and total and len(named) > 1:
        raise ConfigError(f"{total} includes the other rails: name it alone, or leave it out")
    if named:
        return list(named)
    return [total] if total else labels


def _watts(numbers: Series) -> Series:
    """Millivolts and milliamperes of each rail in turn."""
    return np.asarray((numbers[:, 0::2] * numbers[:, 1::2]).sum(axis=1) / 1e6)
