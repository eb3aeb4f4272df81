"""What a meter is, and what those that read files on the device have in common."""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np

from edgeprune.devices.device import MeterTable
from edgeprune.devices.host_clock import HOST_CLOCK, HostClock
from edgeprune.devices.opened import Opened
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.energy.power_trace import PowerTrace, Series, Tier
from edgeprune.errors import ConfigError, DeviceError, NoSensor
from edgeprune.registry import Registry
from edgeprune.text.untrusted import device_says, one_line

MAX_W = 1000.0
"""Power of one board. Source: ours; ten times the largest Jetson's (AGX Orin, 60 W)."""

MAX_J = 1e12
"""Of a counter of energy: 1000 W for thirty years."""

_NUMBER = re.compile(r"[-+]?[0-9]{1,20}(\.[0-9]{1,20})?")
_READ_TIMEOUT_S = 20.0
_READ = (
    "IFS=; for pattern; do for file in $pattern; do "
    'if text=$(cat "$file" 2>/dev/null); then printf "%s\\037r\\037%s\\036" "$file" "$text"; '
    'elif [ -f "$file" ]; then printf "%s\\037-\\037\\036" "$file"; fi; done; done'
)
"""Prints path, whether it can be read, and content, with ASCII's unit and record separators."""


@dataclass(frozen=True)
class Row:
    """One sample of files on the device.

    Attributes:
        time_s: The device's monotonic clock, in the middle of reading.
        texts: Content of each file, the command's output last; None where it could not be read.
    """

    time_s: float
    texts: tuple[str | None, ...]


class Sampler(abc.ABC):
    """Reads files on the device at a fixed rate, in a process that times nothing."""

    @abc.abstractmethod
    def start(self, files: Sequence[str], command: str, period_s: float) -> None:
        """Begins to sample.

        Args:
            files: Paths on the device.
            command: For the device's shell, or empty.
            period_s: Seconds from sample to sample.

        Raises:
            DeviceError: The device did not do as told.
        """

    @abc.abstractmethod
    def stop(self) -> list[Row]:
        """Ends it and brings back the samples.

        Raises:
            DeviceError: The device did not do as told, or lost samples.
        """


@dataclass(frozen=True)
class Site:
    """Where a meter works.

    Attributes:
        transport: The open way to the device; None where it has no files, as a microcontroller.
        sampler: Reads files there.
        table: What the user or the board says about the meter.
        clock: This machine's, for meters on it.
    """

    transport: CommandTransport | None
    sampler: Sampler
    table: MeterTable
    clock: HostClock = HOST_CLOCK

    @property
    def commands(self) -> CommandTransport:
        """The way to a device that has files.

        Raises:
            ConfigError: It has none.
        """
        if self.transport is None:
            raise ConfigError(
                f"{self.table.use} reads files of the device, and a microcontroller has none: use "
                "a meter in its supply line, as ppk2, joulescope, or a log (--meter FILE.csv)"
            )
        return self.transport


class Meter(Opened):
    """Measures the power of one device; a context manager, opened in ``__enter__``.

    Attributes:
        tier: Where the sensor sits.
        on_device: Whether its record has the device's clock; else it has the host's monotonic one.
        update_period_s: Seconds between new values of the sensor, once it is open; None where it is
            not known.
    """

    tier: ClassVar[Tier]
    on_device: ClassVar[bool]

    def __init__(self, site: Site) -> None:
        self.site = site
        self.update_period_s: float | None = None

    @abc.abstractmethod
    def open(self) -> None:
        """Finds the sensor.

        Raises:
            NoSensor: There is none, or it cannot be read; the message says what to do.
            ConfigError: The user's table fits no sensor.
            DeviceError: The device or the instrument did not do as told.
        """

    @abc.abstractmethod
    def start(self) -> None:
        """Begins to record.

        Raises:
            DeviceError: The device or the instrument did not do as told.
        """

    @abc.abstractmethod
    def stop(self) -> PowerTrace:
        """Ends the record.

        Raises:
            DeviceError: The record cannot be used; the message says why.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Lets go of the instrument; harmless when closed already."""


def numbers_of(texts: Sequence[str]) -> list[float]:
    """One number a file, as sysfs writes them.

    Raises:
        ValueError: A text is none, as ``nan``, ``1e9`` or ``1_000`` are to sysfs.
    """
    return [number_of(text) for text in texts]


def number_of(text: str) -> float:
    r"""One decimal number.

    Raises:
        ValueError: The text is none.

    >>> number_of("-12.5\n")
    -12.5
    """
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError("no decimal number")
    return float(text)


@dataclass(frozen=True)
class Plan:
    """What to sample on the device, and how to read it.

    Attributes:
        sensor: For the report.
        files: Paths on the device.
        convert: Takes the numbers of all samples, shape ``(samples, numbers)``, and gives watts, or
            joules, shape ``(samples,)``.
        counts_energy: Whether ``convert`` gives joules since any moment.
        period_s: Seconds from sample to sample.
        update_period_s: Seconds between new values of the sensor, or None.
        command: For the device's shell, or empty.
        parse: Takes a sample's texts and gives its numbers; ValueError marks a bad sample.
        notes: What the figures leave out.
    """

    sensor: str
    files: tuple[str, ...]
    convert: Callable[[Series], Series]
    counts_energy: bool = False
    period_s: float = 0.1
    update_period_s: float | None = None
    command: str = ""
    parse: Callable[[Sequence[str]], Sequence[float]] = numbers_of
    notes: tuple[str, ...] = ()


class FileMeter(Meter):
    """A meter that reads files, or a command, on the device; a part says only which and how."""

    on_device: ClassVar[bool] = True
    tier: ClassVar[Tier] = "measured-onboard"
    _plan: Plan | None = None

    @abc.abstractmethod
    def plan(self) -> Plan:
        """Looks for the sensor.

        Raises:
            NoSensor: There is none, or it cannot be read.
            ConfigError: The user's table fits no sensor.
            DeviceError: The device did not do as told.
        """

    def open(self) -> None:
        """Finds the sensor's files."""
        plan = self.plan()
        self._plan = replace(plan, sensor=one_line(plan.sensor, 200))  # labels are the device's
        self.update_period_s = self._plan.update_period_s

    def start(self) -> None:
        """Begins to sample them."""
        plan = self._opened()
        self.site.sampler.start(plan.files, plan.command, plan.period_s)

    def stop(self) -> PowerTrace:
        """Ends it; a sample of which anything is missing is left out, which shows as a gap."""
        plan = self._opened()
        rows = self.site.sampler.stop()
        times_s, numbers = [], []
        for row in rows:
            found = _numbers(plan, row)
            if found is not None:
                times_s.append(row.time_s)
                numbers.append(found)
        if not numbers:
            raise DeviceError(f"{plan.sensor}: none of {len(rows)} samples could be read")
        if len({len(row) for row in numbers}) > 1:
            raise DeviceError(f"{plan.sensor}: rails came or went while it was read")
        values = plan.convert(np.array(numbers, dtype=np.float64))
        _check_bounds(values, plan)
        return PowerTrace(
            time_s=np.array(times_s),
            power_w=None if plan.counts_energy else values,
            energy_j=values if plan.counts_energy else None,
            sensor=plan.sensor,
            tier=self.tier,
            period_s=plan.period_s,
            update_period_s=plan.update_period_s,
            notes=plan.notes,
        )

    def close(self) -> None:
        """Nothing to let go of: the sampler is its owner's."""

    def read(self, patterns: Sequence[str]) -> dict[str, str | None]:
        """Content of all files on the device that match shell patterns; None where unreadable.

        Raises:
            DeviceError: The device did not do as told.
        """
        answer = self.site.commands.run(["sh", "-c", _READ, "sh", *patterns], _READ_TIMEOUT_S)
        if answer.code != 0 and not answer.stdout:
            said = device_says(answer.stderr)
            raise DeviceError(f"the device's files cannot be listed; {said}")
        texts: dict[str, str | None] = {}
        for record in answer.stdout.split("\x1e")[:-1]:
            path, mark, text = (record + "\x1f\x1f").split("\x1f", 2)
            if not path.isprintable() or not any(fnmatchcase(path, one) for one in patterns):
                raise DeviceError(
                    f"the device was asked for files such as {patterns[0]}; {device_says(path)}"
                )
            texts[path] = text.strip("\x1f\r\n\t ") if mark == "r" else None
        return dict(sorted(texts.items()))

    def _opened(self) -> Plan:
        if self._plan is None:
            raise NoSensor("the meter is not open")
        return self._plan


def number_or_none(text: str | None) -> float | None:
    """The same; None where there is no text, or it is no number."""
    try:
        return None if text is None else number_of(text)
    except ValueError:
        return None


def _check_bounds(values: Series, plan: Plan) -> None:
    """Refuses what no sensor of a board can say.

    Raises:
        DeviceError: A value is no number, or too large.
    """
    limit, unit = (MAX_J, "J") if plan.counts_energy else (MAX_W, "W")
    wrong = values[~(np.abs(values) <= limit)]
    if wrong.size:
        raise DeviceError(
            f"{plan.sensor}: says {wrong[0]:.4g} {unit}; at most {limit:,.0f} {unit} "
            "can be: its driver's units are wrong, or it is broken"
        )


def _numbers(plan: Plan, row: Row) -> Sequence[float] | None:
    texts = [text for text in row.texts if text is not None]
    if len(texts) < len(row.texts):
        return None
    try:
        return plan.parse(texts)
    except ValueError:
        return None


METERS: Registry[type[Meter]] = Registry("edgeprune.meters", kind="meter")
