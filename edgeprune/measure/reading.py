"""One reading of a device's state: the texts of its files and command as numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edgeprune.measure.device_state import Sources
from edgeprune.meters.base import Row, number_or_none

TICKS_PER_S = 100
"""Of ``/proc/stat`` and ``/proc/PID/stat`` on every Linux of our boards. Source: proc(5), USER_HZ;
the kernel's include/asm-generic/param.h."""

TEMPERATURES_C = (-60.0, 250.0)
FREQUENCIES_HZ = (1e6, 1e11)
LOADS = (0.0, 1e6)
SECONDS = (0.0, 1e10)
"""What a device can be; a reading beyond is none. Source: ours; silicon ends at some 200 C."""

_MAX_DIGITS = 18
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Reading:
    """What a device said at one moment; None where it said nothing that can be understood.

    Attributes:
        time_s: The device's monotonic clock.
        busy_s: CPU time of all processes on the used cores since the device's start.
        stolen_s: The same of other guests of the machine.
        cores: How many used cores these two cover.
        load_1min: Load average.
        waited_s: How long the agent was ready and waited for a core, since its start.
        own_s: The agent's own CPU time.
        temperature_c: The hottest zone's.
        frequency_hz: The fastest used core's.
        limit_hz: The most that the governor may set.
        throttle_bits: ``vcgencmd get_throttled``.
        thermal_status: Android's.
        battery_percent: Charge.
        on_mains: Whether the battery is charged, or there is none.
    """

    time_s: float
    busy_s: float | None = None
    stolen_s: float | None = None
    cores: int = 0
    load_1min: float | None = None
    waited_s: float | None = None
    own_s: float | None = None
    temperature_c: float | None = None
    frequency_hz: float | None = None
    limit_hz: float | None = None
    throttle_bits: int | None = None
    thermal_status: int | None = None
    battery_percent: float | None = None
    on_mains: bool | None = None


def parse_reading(row: Row, sources: Sources) -> Reading:
    """One sample as numbers.

    Args:
        row: Texts of :meth:`Sources.files`, with the command's output last where it was asked.
        sources: What was read.
    """
    files = 4 + bool(sources.limit) + len(sources.zones) + len(sources.clocks)
    texts = list(row.texts[:files])
    command = (row.texts[files] or "") if len(row.texts) > files else ""
    stat, loadavg, schedstat, own = texts[:4]
    limit = texts[4] if sources.limit else None
    zones = texts[files - len(sources.clocks) - len(sources.zones) : files - len(sources.clocks)]
    clocks = texts[files - len(sources.clocks) : files]
    busy_s, stolen_s, cores = _cores(stat or "", sources.cpus)
    return Reading(
        time_s=row.time_s,
        busy_s=busy_s,
        stolen_s=stolen_s,
        cores=cores,
        load_1min=_field(loadavg, 0, 1.0, LOADS),
        waited_s=_field(schedstat, 1, 1e-9, SECONDS),
        own_s=_own_s(own or ""),
        temperature_c=_highest(zones, 1e-3, TEMPERATURES_C),
        frequency_hz=_highest(clocks, 1e3, FREQUENCIES_HZ),
        limit_hz=_field(limit, 0, 1e3, FREQUENCIES_HZ),
        throttle_bits=_throttle_bits(command),
        thermal_status=_matched(command, r"Thermal Status:\s*([0-6])\b", int),
        battery_percent=_matched(command, r"\blevel:\s*(100|[0-9]{1,2})\b", float),
        on_mains=_on_mains(command),
    )


def _field(
    text: str | None, place: int, factor: float, bounds: tuple[float, float]
) -> float | None:
    """A number of a text in its unit; None where there is none, or none that can be true."""
    words = (text or "").split()
    value = number_or_none(words[place]) if place < len(words) else None
    if value is None or not bounds[0] <= value * factor <= bounds[1]:
        return None
    return value * factor


def _highest(
    texts: Sequence[str | None], factor: float, bounds: tuple[float, float]
) -> float | None:
    values = [_field(text, 0, factor, bounds) for text in texts]
    return max((value for value in values if value is not None), default=None)


def _matched(text: str, pattern: str, kind: Callable[[str], Number]) -> Number | None:
    match = re.search(pattern, text)
    return kind(match[1]) if match else None


def _throttle_bits(command: str) -> int | None:
    return _matched(command, r"throttled=(0x[0-9a-fA-F]{1,8})\b", lambda text: int(text, 16))


def _on_mains(command: str) -> bool | None:
    """True where any charger is plugged in, or the device has no battery."""
    powered = re.findall(r"powered:\s*(true|false)", command)
    present = re.search(r"\bpresent:\s*(true|false)", command)
    if not powered and not present:
        return None
    return "true" in powered or (present is not None and present[1] == "false")


def _own_s(stat: str) -> float | None:
    """User and system time, fields 14 and 15; the name before them may hold spaces.

    Source: proc(5), /proc/PID/stat.
    """
    fields = stat.rpartition(")")[2].split()
    ticks = fields[11:13]
    if len(ticks) < 2 or not all(map(_is_count, ticks)):
        return None
    return sum(map(int, ticks)) / TICKS_PER_S


def _is_count(text: str) -> bool:
    return len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit()


def _cores(stat: str, cpus: Sequence[int]) -> tuple[float | None, float | None, int]:
    """Busy and stolen seconds over the used cores, and how many cores they are.

    Busy is user, nice, system, irq and softirq: neither idle nor waiting nor stolen.

    Source: proc(5), /proc/stat.
    """
    busy = stolen = cores = 0
    for line in stat.splitlines():
        name, *texts = line.split() or [""]
        number = name.removeprefix("cpu")
        if not name.startswith("cpu") or not _is_count(number):
            continue
        if (cpus and int(number) not in cpus) or len(texts) < 8 or not all(map(_is_count, texts)):
            continue
        ticks = [int(text) for text in texts]
        busy += ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]
        stolen += ticks[7]
        cores += 1
    if not cores or (cpus and cores < len(cpus)):
        return None, None, 0
    return busy / TICKS_PER_S, stolen / TICKS_PER_S, cores
