"""The power management chip of the Raspberry Pi 5, asked through ``vcgencmd pmic_read_adc``.

It measures the rails that it makes; what hangs on USB, the 5 V header and its own losses are not in
them. Source of the form of its answer: Raspberry Pi documentation, vcgencmd, pmic_read_adc.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from edgeprune.energy.power_trace import Series
from edgeprune.errors import DeviceError, NoSensor
from edgeprune.meters.base import METERS, FileMeter, Plan
from edgeprune.text.untrusted import device_says, one_line

_COMMAND = "vcgencmd pmic_read_adc"
_TIMEOUT_S = 10.0
_POLL_S = 0.1
_LINE = re.compile(
    r"(\S{1,64})_([AV]) (?:current|volt)\(\d+\)=(-?[0-9]{1,9}(?:\.[0-9]{1,18})?)[AV]"
)
_RAILS = 12
"""Rails with voltage and current. Source: a Raspberry Pi 5's answer."""


@METERS.register
class Rpi5Pmic(FileMeter):
    """Adds up the rails of which both voltage and current are told."""

    def plan(self) -> Plan:
        """Asks once, for the rails."""
        command = self.site.table.at or _COMMAND
        answer = self.site.commands.run(["sh", "-c", command], _TIMEOUT_S)
        if answer.code != 0:
            said = device_says(answer.stderr or answer.stdout)
            raise NoSensor(f"{command} fails on the device; {said}; is this a Pi 5?")
        rails = list(_rails(answer.stdout))
        if not rails:
            raise DeviceError(f"{command} names no rail with voltage and current")
        notes = ["the Pi 5's PMIC covers its own rails, not USB, the 5 V header or its losses"]
        if len(rails) < _RAILS:
            notes.append(f"{len(rails)} of {_RAILS} rails were read: {one_line(', '.join(rails))}")
        return Plan(
            sensor=f"Pi 5 PMIC, {len(rails)} rails",
            files=(),
            command=command,
            parse=lambda texts: _products(texts, rails),
            convert=_watts,
            period_s=_POLL_S,
            notes=tuple(notes),
        )


def _rails(text: str) -> dict[str, float]:
    """Watts of each rail of which both numbers are told, by name."""
    numbers = {(m[1], m[2]): float(m[3]) for m in _LINE.finditer(text)}
    return {
        name: numbers[name, "A"] * numbers[name, "V"]
        for name, unit in numbers
        if unit == "A" and (name, "V") in numbers
    }


def _products(texts: Sequence[str], rails: Sequence[str]) -> list[float]:
    """Watts of each rail.

    Raises:
        ValueError: A rail is missing from this answer.
    """
    found = _rails(texts[-1])
    if set(found) != set(rails):
        raise ValueError("a rail is missing")
    return [found[rail] for rail in rails]


def _watts(numbers: Series) -> Series:
    return np.asarray(numbers.sum(axis=1))
