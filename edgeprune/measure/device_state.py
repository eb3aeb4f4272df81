"""Where a device says how it is: files and one command, found once and read by an agent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import DeviceError
from edgeprune.text.untrusted import device_says, one_line

MAX_CORES = 16
"""Cores whose clocks are read; an agent samples up to 64 files. Source: PROTOCOL.md, Samples."""

MAX_ZONES = 16

_LOOK_TIMEOUT_S = 20.0
_HEAD_CHARACTERS = 200
_COMMANDS = ("vcgencmd", "dumpsys")

_LOOK = (
    "IFS=; for pattern; do for file in $pattern; do "
    '[ -r "$file" ] && printf "%s\\037%s\\036" "$file" "$(head -c 200 "$file" 2>/dev/null)"; '
    "done; done; for name in vcgencmd dumpsys; do "
    'command -v $name >/dev/null 2>&1 && printf "%s\\037\\036" "$name"; done; true'
)
"""Prints what can be read with its beginning, with ASCII's unit and record separators."""

_GOVERNOR = re.compile(r"[A-Za-z0-9_]{1,31}")
_THROTTLED = "vcgencmd get_throttled"
_ANDROID = (
    "dumpsys thermalservice | grep -m1 'Thermal Status'; "
    "dumpsys battery | grep -E 'powered: |level: |present: '"
)

_PROCESSOR_ZONE = re.compile(r"cpu|soc|pkg|core|^acpitz$|bcm2835", re.IGNORECASE)
"""Types of thermal zones beside a processor; others are of batteries, skin, modems."""

_HARDWARE_CHOOSES = ("intel_pstate", "intel_cpufreq", "amd-pstate", "amd-pstate-epp", "amd_pstate")
"""Drivers with which ``performance`` is a hint: the clock floats by load and heat.

Source: Linux, Documentation/admin-guide/pm/intel_pstate.rst and amd-pstate.rst.
"""


@dataclass(frozen=True)
class Sources:
    """What a device has to read.

    Attributes:
        zones: Temperature files of the processors' thermal zones.
        clocks: ``scaling_cur_freq`` of the used cores.
        limit: ``scaling_max_freq`` of the first used core, or empty.
        governor: Of the first used core, or None.
        is_pinned: Whether that governor holds the clock at ``limit``.
        has_throttle_bits: Whether ``vcgencmd`` is there.
        is_android: Whether ``dumpsys`` is there.
        cpus: Used cores; empty for all.
        proc: Folder of the kernel's ``/proc``.
        missing: What there is not, each in a few words.
    """

    zones: tuple[str, ...]
    clocks: tuple[str, ...]
    limit: str
    governor: str | None
    is_pinned: bool
    has_throttle_bits: bool
    is_android: bool
    cpus: tuple[int, ...]
    proc: str
    missing: tuple[str, ...]

    @property
    def command(self) -> str:
        """For the device's shell; empty where there is nothing to ask."""
        asked = [_THROTTLED] if self.has_throttle_bits else []
        # A dumpsys that is refused, as without a service, must not hide the other's answer.
        asked += [_ANDROID] if self.is_android else []
        return "; ".join([*asked, "true"]) if asked else ""

    def files(self, pid: int) -> tuple[str, ...]:
        """Paths to read for the agent ``pid``, in the order in which readings are parsed."""
        of_agent = (f"{self.proc}/{pid}/schedstat", f"{self.proc}/{pid}/stat")
        limit = (self.limit,) if self.limit else ()
        common = (f"{self.proc}/stat", f"{self.proc}/loadavg")
        return (*common, *of_agent, *limit, *self.zones, *self.clocks)


def find_sources(transport: CommandTransport, cpus: Sequence[int], root: str = "") -> Sources:
    """Looks for what the device has to read.

    Args:
        transport: The open way to the device.
        cpus: Used cores; empty for all.
        root: Before ``/sys`` and ``/proc``; of another tree than the device's own.

    Raises:
        DeviceError: The device did not do as told.
    """
    cpufreq = f"{root}/sys/devices/system/cpu/cpu%s/cpufreq/"
    zones = f"{root}/sys/class/thermal/thermal_zone*/"
    used = [str(cpu) for cpu in cpus[:MAX_CORES]] or ["[0-9]*"]
    patterns = [zones + "type", zones + "temp"]
    patterns += [cpufreq % cpu + "scaling_cur_freq" for cpu in used]
    names = ("scaling_governor", "scaling_driver", "scaling_max_freq")
    patterns += [cpufreq % (cpus[0] if cpus else 0) + name for name in names]
    listed = transport.run(["sh", "-c", _LOOK, "sh", *patterns], _LOOK_TIMEOUT_S)
    if listed.code != 0:
        raise DeviceError(f"the device's state cannot be listed; {device_says(listed.stderr)}")
    pairs = (record.partition("\x1f") for record in listed.stdout.split("\x1e")[:-1])
    texts = {path.strip(): one_line(text, _HEAD_CHARACTERS) for path, _, text in pairs}
    for path in texts:
        asked = path in _COMMANDS or any(fnmatchcase(path, one) for one in patterns)
        if not asked or not path.isprintable():
            raise DeviceError(
                f"the device was asked for files such as {patterns[0]}; {device_says(path)}"
            )
    return _sources(texts, cpus, f"{root}/proc")


def _sources(texts: dict[str, str], cpus: Sequence[int], proc: str) -> Sources:
    by_name = {path.rsplit("/", 1)[-1]: text for path, text in texts.items()}
    governor = by_name.get("scaling_governor")
    if governor is not None and not _GOVERNOR.fullmatch(governor):
        raise DeviceError(f"expected the name of a governor; {device_says(governor)}")
    clocks = sorted(path for path in texts if path.endswith("/scaling_cur_freq"))[:MAX_CORES]
    zones = [
        path
        for path in sorted(texts)
        if path.endswith("/temp") and _PROCESSOR_ZONE.search(texts.get(path[:-4] + "type", ""))
    ]
    limit = next((path for path in texts if path.endswith("/scaling_max_freq")), "")
    is_android = "dumpsys" in texts
    has_throttle_bits = "vcgencmd" in texts
    missing = [
        (bool(zones), "temperature: no thermal zone of a processor can be read"),
        (bool(clocks), "clock: no cpufreq of the used cores can be read"),
        (has_throttle_bits, "throttling bits: there is no vcgencmd, as on a Raspberry Pi"),
        (is_android, "thermal status and battery: there is no dumpsys, as on Android"),
    ]
    return Sources(
        zones=tuple(zones[:MAX_ZONES]),
        clocks=tuple(clocks),
        limit=limit,
        governor=governor,
        is_pinned=bool(cpus)  # else cores of several kinds may be used
        and governor == "performance"
        and by_name.get("scaling_driver", "") not in _HARDWARE_CHOOSES,
        has_throttle_bits=has_throttle_bits,
        is_android=is_android,
        cpus=tuple(cpus),
        proc=proc,
        missing=tuple(line for is_there, line in missing if not is_there),
    )
