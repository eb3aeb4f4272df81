"""Arm cores by the numbers that the kernel prints in ``/proc/cpuinfo``."""

from __future__ import annotations

import re
from collections.abc import Sequence

ARM = 0x41

PARTS = {
    "cortex-a53": 0xD03,
    "cortex-a55": 0xD05,
    "cortex-a57": 0xD07,
    "cortex-a72": 0xD08,
    "cortex-a73": 0xD09,
    "cortex-a75": 0xD0A,
    "cortex-a76": 0xD0B,
    "neoverse-n1": 0xD0C,
    "cortex-a77": 0xD0D,
    "cortex-a78": 0xD41,
    "cortex-a78ae": 0xD42,
    "cortex-x1": 0xD44,
    "cortex-a510": 0xD46,
    "cortex-a710": 0xD47,
    "cortex-x2": 0xD48,
    "cortex-a715": 0xD4D,
    "cortex-x3": 0xD4E,
}
"""Part numbers of cores whose implementer is :data:`ARM`.

Source: each core's Technical Reference Manual, register MIDR_EL1, field PartNum; the same table is
in Linux, arch/arm64/include/asm/cputype.h.
"""


def cpuinfo_text(core: str, features: Sequence[str], cores: int) -> str:
    r"""What Linux prints in ``/proc/cpuinfo`` on an Arm board.

    Raises:
        KeyError: ``core`` is not in :data:`PARTS`.

    >>> cpuinfo_text("cortex-a72", ["fp", "asimd"], 1).splitlines()[2]
    'Features\t: fp asimd'
    """
    lines = []
    for number in range(cores):
        lines += [
            f"processor\t: {number}",
            "BogoMIPS\t: 108.00",
            f"Features\t: {' '.join(features)}",
            f"CPU implementer\t: {ARM:#x}",
            "CPU architecture: 8",
            "CPU variant\t: 0x0",
            f"CPU part\t: {PARTS[core]:#x}",
            "CPU revision\t: 3",
            "",
        ]
    return "\n".join(lines) + "\n"


def readable_cpu(raw: str) -> str:
    """Replaces part numbers in what the agent says about its processor by the cores' names.

    >>> readable_cpu("implementer 0x41 part 0xd05, implementer 0x41 part 0xd41")
    'cortex-a55, cortex-a78'
    >>> readable_cpu("implementer 0x51 part 0x800")
    'implementer 0x51 part 0x800'
    """
    names = {part: core for core, part in PARTS.items()}

    def name(match: re.Match[str]) -> str:
        implementer, part = (int(number, 16) for number in match.groups())
        return names.get(part, match[0]) if implementer == ARM else match[0]

    return re.sub(r"implementer (0x[0-9a-fA-F]+) part (0x[0-9a-fA-F]+)", name, raw)
