"""Puts our firmware on a board as sold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeprune.devices.bench import choose_device, load_bench
from edgeprune.devices.boards import MICROCONTROLLER, load_board
from edgeprune.devices.flashers.base import FLASHERS, choose_probe
from edgeprune.errors import ConfigError
from edgeprune.firmware.build import built


@dataclass(frozen=True)
class Flashed:
    """What was written.

    Attributes:
        board: The board's name.
        target: Its chip, in the flasher's words.
        probe: Serial number of the debug probe.
        probe_name: What that is.
    """

    board: str
    target: str
    probe: str
    probe_name: str

    def document(self) -> dict[str, Any]:
        """All of it, as ``--json`` prints it."""
        return {
            "board": self.board,
            "target": self.target,
            "probe": self.probe,
            "probe_name": self.probe_name,
        }


def flash(
    board: str, probe: str | None, host: str | None, bench: Path | None, timeout_s: float
) -> Flashed:
    """Builds a board's firmware and writes it through a debug probe.

    Args:
        board: The board's name.
        probe: Serial number of the debug probe; None takes that of the device in the bench, or the
            only one.
        host: Name of the device in the bench.
        bench: The bench file; the user's own if None.
        timeout_s: How long the writing may take.

    Raises:
        ConfigError: The board is not flashed, or what flashes it is not installed.
        DeviceError: There is no such probe, or writing failed.
    """
    kind = load_board(board)
    if kind.kind != MICROCONTROLLER:
        raise ConfigError(f"{kind.name} is no microcontroller: it runs no firmware of ours")
    if kind.flash is None:
        raise ConfigError(
            f"{kind.name} is not flashed: it is emulated, and each run starts it with its firmware"
        )
    devices = load_bench(bench)
    if probe is None and (host or any(d.board == kind.name for d in devices.devices.values())):
        probe = choose_device(devices, kind, host).serial
    flasher = FLASHERS.get(kind.flash.use)()
    chosen = choose_probe(flasher, probe, kind.flash.target)
    flasher.flash(built(kind.agent.target), kind.flash.target, chosen, timeout_s)
    return Flashed(kind.name, kind.flash.target, chosen.serial, chosen.name)
