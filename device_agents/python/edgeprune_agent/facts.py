"""What the agent says about itself, its process and its device."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from edgeprune_agent.refusal import Refusal
from edgeprune_agent.version import VERSION

_ELF_MACHINE = slice(18, 20)  # of an ELF file's header. Source: elf(5), e_machine


def hello() -> dict[str, Any]:
    """The answer to ``hello``."""
    system = os.uname()
    models, features = _cpu()
    return {
        "agent_version": f"{VERSION}, on Python {platform.python_version()}",
        "protocol": 1,
        "os": f"{system.sysname} {system.release}",
        "machine": system.machine,
        "cpu": ", ".join(models),
        "cores": os.sysconf("SC_NPROCESSORS_ONLN"),
        "features": features,
        "pid": os.getpid(),
        "emulated": is_emulated(),
    }


def is_emulated() -> bool:
    """Whether another program runs this Python's machine code for it, as qemu-user does.

    The kernel names the file that it runs in ``/proc/<number>/exe``. An emulator answers that for
    a process itself with the emulated file, but not for another process, and the agent's other
    process runs as this one does. On a real board both files are for the same machine. A whole
    emulated board cannot be told from a real one in this way.
    """
    try:
        with open(f"/proc/{os.getppid()}/exe", "rb") as run, open(sys.executable, "rb") as ours:
            return run.read(20)[_ELF_MACHINE] != ours.read(20)[_ELF_MACHINE]
    except OSError:
        return False


def peak_memory_bytes() -> int | None:
    """VmHWM of this process, or None where the kernel does not say."""
    for line in _lines("/proc/self/status"):
        key, _, value = line.partition(":")
        kibibytes = (value.split() or [""])[0]
        if key == "VmHWM" and kibibytes.isdecimal():
            return int(kibibytes) * 1024 or None
    return None


def pin_to_cores(cores: list[int]) -> None:
    """Pins this process and the threads that it will start; no cores leave it free.

    Raises:
        Refusal: A core does not exist or is not allowed.
    """
    if not cores:
        return
    try:
        os.sched_setaffinity(0, cores)
        # The kernel ignores missing cores as long as one exists, so the result is read back.
        is_pinned = os.sched_getaffinity(0) == set(cores)
    except (OSError, ValueError, OverflowError):
        is_pinned = False
    if not is_pinned:
        raise Refusal("cpus names a core that does not exist or is not allowed to this process")


def _cpu() -> tuple[list[str], list[str]]:
    """Names of the cores, or their numbers, once each; the first core's features."""
    models: list[str] = []
    features: list[str] | None = None
    implementer = ""
    for line in _lines("/proc/cpuinfo"):
        key, _, value = (part.strip() for part in line.partition(":"))
        name = value if key == "model name" else ""
        if key == "CPU implementer":
            implementer = value
        elif key == "CPU part":
            name = f"implementer {implementer} part {value}"
        elif key in ("flags", "Features") and features is None:
            features = value.split()
        if name and name not in models:
            models.append(name)
    return models, features or []


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readlines()
    except OSError:
        return []
