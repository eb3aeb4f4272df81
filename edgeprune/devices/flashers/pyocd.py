"""pyOCD, which flashes through CMSIS-DAP, ST-Link and J-Link probes.

It runs as a program of its own: a probe that hangs is left behind by ending it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from edgeprune.devices.flashers.base import FLASHERS, DebugProbe, Flasher
from edgeprune.devices.links.pipes import run_to_end
from edgeprune.errors import ConfigError, DeviceError, DeviceTimeout, from_extra
from edgeprune.text.untrusted import one_line

_LIST_S = 60.0
_NO_TARGET = "cortex_m"
"""What pyOCD calls a chip that it was not told of."""

_REMOTE = "remote:"
"""How a probe begins that a ``pyocd server`` lends to other machines: ``remote:HOST[:PORT]``."""

_MAX_WORDS = 200


@FLASHERS.register
class PyOcd(Flasher):
    """Flashes by ``pyocd load``."""

    extra: ClassVar[str | None] = "flash"

    def probes(self) -> Sequence[DebugProbe]:
        """The probes behind USB that pyOCD knows."""
        status, output, errors = _run(["json", "--probes"], _LIST_S)
        try:
            listed = json.loads(output)
            fault = listed.get("error") if listed["status"] else None
            probes = [_probe(entry) for entry in listed["boards"]]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = _reason(errors) or f"its answer is {one_line(output, 60)!r}"
            raise DeviceError(
                f"pyocd cannot list debug probes (exit status {status}): {reason}"
            ) from error
        if fault is not None:
            raise DeviceError(f"pyocd cannot list debug probes: {one_line(fault, _MAX_WORDS)}")
        return probes

    def named(self, serial: str) -> DebugProbe | None:
        """A probe that a ``pyocd server`` lends."""
        return DebugProbe(serial, "lent by a pyocd server") if serial.startswith(_REMOTE) else None

    def flash(self, image: Path, target: str, probe: DebugProbe, timeout_s: float) -> None:
        """Writes an image sector by sector, so that plans in other sectors stay."""
        try:
            status, _, errors = _run(load_words(image, target, probe.serial), timeout_s)
        except DeviceTimeout as error:
            raise DeviceTimeout(
                f"flashing through {probe.serial} did not end within {timeout_s:g} s: unplug the "
                "board, plug it in again, and repeat; --timeout gives it longer"
            ) from error
        if "not recognized" in errors and target in errors:
            raise ConfigError(f"pyocd knows no {target} yet: python -m pyocd pack install {target}")
        if status != 0:
            reason = _reason(errors) or f"exit status {status}"
            raise DeviceError(f"flashing through {probe.serial} failed: {reason}")


def load_words(image: Path, target: str, serial: str) -> list[str]:
    """What ``pyocd`` is asked for: one image, one chip, one probe, and no waiting for any."""
    chosen = ["--target", target, "--uid", serial]
    return ["load", "--no-wait", *chosen, "--erase", "sector", "--format", "elf", str(image)]


def _run(words: Sequence[str], timeout_s: float) -> tuple[int, str, str]:
    """Runs pyOCD in an empty folder: settings and scripts of the user's own folder stay out.

    Raises:
        ConfigError: It is not installed.
        DeviceTimeout: It ran too long, and was ended.
    """
    with from_extra("flash", "flashing a board"):
        import pyocd
    del pyocd
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as empty:
        where = ["--no-config", "--dir", empty] if words[0] == "load" else []
        argv = [sys.executable, "-P", "-m", "pyocd", words[0], *where, *words[1:]]
        return run_to_end(argv, timeout_s)


def _probe(entry: Any) -> DebugProbe:
    target = entry["target"]
    return DebugProbe(
        one_line(entry["unique_id"], 100),
        one_line(entry["info"], 100),
        None if target in (None, _NO_TARGET) else one_line(target, 100),
    )


def _reason(errors: str) -> str:
    """The last line that pyOCD complains in, without its time and module."""
    lines = [line for line in errors.splitlines() if line.strip()]
    critical = [line for line in lines if line[:9].rstrip().endswith((" C", " E"))]
    words = (critical or lines or [""])[-1]
    if critical:
        words = words[9:].rpartition(" [")[0] or words
    return one_line(words.strip(), _MAX_WORDS)
