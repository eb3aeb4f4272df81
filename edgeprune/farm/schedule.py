"""What a night will look like at the latest, before anything runs: ``farm run --dry-run``."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgeprune.farm.inventory import FarmDevice
from edgeprune.farm.job import Job


@dataclass(frozen=True)
class Slot:
    """When a job begins at the latest, if every job before it takes its whole time budget.

    Attributes:
        job: The job.
        device: The device that it would get.
        begins_s: Seconds from the start of the night.
        ends_s: The same.
    """

    job: Job
    device: str
    begins_s: int
    ends_s: int


def schedule(jobs: Iterable[Job], devices: Mapping[str, FarmDevice]) -> list[Slot]:
    """Lays jobs onto devices as the farm would, in order of priority and then of the plan.

    Args:
        jobs: Each of a board that has a device.
        devices: All devices by name.

    Returns:
        One slot a job, in the order in which they begin.
    """
    free: dict[str, list[tuple[int, str]]] = {}
    busy_until_s = dict.fromkeys(devices, 0)
    for device in devices.values():
        heapq.heappush(free.setdefault(device.board.name, []), (0, device.name))
    slots = []
    for job in sorted(jobs, key=lambda one: (-one.priority, one.number)):
        name = job.device or _earliest(free[job.board], busy_until_s)
        begins_s = busy_until_s[name]
        busy_until_s[name] = begins_s + job.time_budget_s
        heapq.heappush(free[job.board], (busy_until_s[name], name))
        slots.append(Slot(job, name, begins_s, busy_until_s[name]))
    return sorted(slots, key=lambda one: (one.begins_s, one.job.number))


def _earliest(free: list[tuple[int, str]], busy_until_s: Mapping[str, int]) -> str:
    """The device that is free first; entries that are out of date are dropped."""
    while True:
        at_s, name = heapq.heappop(free)
        if busy_until_s[name] == at_s:
            return name
