"""What a meter is, and what those that read files on the device have in common."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar

import numpy as np

from edgeprune.bench import MeterTable
from edgeprune.errors import DeviceError, NoSensor
from edgeprune.power_trace import PowerTrace, Series, Tier
from edgeprune.registry import Registry
from edgeprune.transports.base import Transport

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
        transport: The open way to the device.
        sampler: Reads files there.
        table: What the user or the board says about the meter.
    """

    transport: Transport
    sampler: Sampler
    table: MeterTable


class Meter(abc.ABC):
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

    def __enter__(self) -> Meter:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def numbers_of(texts: Sequence[str]) -> list[float]:
    """One number a file, as sysfs writes them."""
    return [float(text) for text in texts]


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
        self._plan = self.plan()
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
        done = self.site.transport.run(["sh", "-c", _READ, "sh", *patterns], _READ_TIMEOUT_S)
        if done.code != 0 and not done.stdout:
            raise DeviceError(f"the device's files cannot be listed: {done.stderr.strip()[-300:]}")
        found: dict[str, str | None] = {}
        for record in done.stdout.split("\x1e")[:-1]:
            path, mark, text = record.split("\x1f", 2)
            found[path] = text.strip() if mark == "r" else None
        return dict(sorted(found.items()))

    def _opened(self) -> Plan:
        if self._plan is None:
            raise NoSensor("the meter is not open")
        return self._plan


def _numbers(plan: Plan, row: Row) -> Sequence[float] | None:
    texts = [text for text in row.texts if text is not None]
    if len(texts) < len(row.texts):
        return None
    try:
        return plan.parse(texts)
    except ValueError:
        return None


METERS: Registry[type[Meter]] = Registry("edgeprune.meters", kind="meter")
