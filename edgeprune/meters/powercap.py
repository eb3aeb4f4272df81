"""The energy counters of x86 processors (RAPL), which Linux shows under powercap.

They count what the processor package and the memory draw, not the whole machine. Source of names
and units: Linux, Documentation/power/powercap/powercap.rst.
"""

from __future__ import annotations

import re

import numpy as np

from edgeprune.energy.power_trace import Series, unwrapped
from edgeprune.errors import NoSensor
from edgeprune.meters.base import METERS, FileMeter, Plan, number_or_none

_FOLDER = "/sys/class/powercap"
_POLL_S = 0.05
_ZONE = re.compile(r"(.*/intel-rapl:\d+(?::\d+)?)/name")
_ROOT = "only root may read it (CVE-2020-8694): run edgeprune as root, or let its user read it"


@METERS.register
class Powercap(FileMeter):
    """Adds up packages and their memory.

    Cores and graphics lie within their package, and ``psys`` has everything in it: adding these
    would count energy twice.
    """

    def plan(self) -> Plan:
        """Finds the zones, and after how many microjoules each begins again at 0."""
        folder = (self.site.table.at or _FOLDER).rstrip("/")
        names = ("name", "energy_uj", "max_energy_range_uj")
        content = self.read([f"{folder}/intel-rapl:*/{name}" for name in names])
        zones = {
            match[1]: text
            for path, text in content.items()
            if text and (match := _ZONE.match(path))
        }
        wanted = [zone for zone, name in zones.items() if re.match(r"package|dram", name)]
        if not any(zones[zone].startswith("package") for zone in wanted):
            raise NoSensor(f"{folder} on the device has no intel-rapl package: no energy counters")
        hidden = [zone for zone in wanted if content.get(f"{zone}/energy_uj") is None]
        if hidden:
            raise NoSensor(f"{hidden[0]}/energy_uj is there, but {_ROOT}")
        ranges_uj = np.array([_range_uj(content, zone) for zone in wanted])

        def joules(numbers: Series) -> Series:
            return np.asarray(unwrapped(numbers, ranges_uj).sum(axis=1) / 1e6)

        return Plan(
            sensor="RAPL " + " + ".join(zones[zone] for zone in wanted),
            files=tuple(f"{zone}/energy_uj" for zone in wanted),
            convert=joules,
            counts_energy=True,
            period_s=_POLL_S,
            notes=("RAPL covers processor and memory, not the whole machine",),
        )


def _range_uj(content: dict[str, str | None], zone: str) -> float:
    range_uj = number_or_none(content.get(f"{zone}/max_energy_range_uj"))
    if not range_uj or range_uj <= 0:
        raise NoSensor(f"{zone}/max_energy_range_uj cannot be read, so its wraps cannot be undone")
    return range_uj
