"""What a flasher is: something that finds debug probes and writes firmware through one."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgeprune.errors import DeviceError
from edgeprune.registry import Registry

UDEV_RULES = (
    "on Linux, the udev rules of https://github.com/pyocd/pyOCD/tree/main/udev let a user open it"
)


@dataclass(frozen=True)
class DebugProbe:
    """A debug probe, on a board or beside it.

    Attributes:
        serial: Its serial number, which names it.
        name: What it is, for people.
        target: The chip that it says it is soldered to; None where it does not say.
    """

    serial: str
    name: str
    target: str | None = None


class Flasher(abc.ABC):
    """Writes firmware into the flash of boards.

    Attributes:
        extra: Optional part of edgeprune that it needs; None if none.
    """

    extra: ClassVar[str | None] = None

    @abc.abstractmethod
    def probes(self) -> Sequence[DebugProbe]:
        """The debug probes that are plugged in.

        Raises:
            ConfigError: What it needs is not installed; the message has the command.
            DeviceError: They cannot be listed.
        """

    def named(self, serial: str) -> DebugProbe | None:
        """The probe of a serial number that is reached otherwise than by USB; None if none is."""
        return None

    @abc.abstractmethod
    def flash(self, image: Path, target: str, probe: DebugProbe, timeout_s: float) -> None:
        """Writes an image, and starts it.

        Args:
            image: An ELF file.
            target: The chip, in the flasher's words.
            probe: Through which.
            timeout_s: How long it may take.

        Raises:
            ConfigError: It does not know the chip; the message says how to teach it.
            DeviceTimeout: It took longer.
            DeviceError: Anything else went wrong.
        """


def choose_probe(flasher: Flasher, serial: str | None, target: str) -> DebugProbe:
    """The probe of a serial number, or the only one that there is.

    Args:
        flasher: Whose probes.
        serial: Its serial number, of which leading zeros may be left out; None takes any.
        target: The chip that it must not say to be another.

    Raises:
        DeviceError: There is none, several may be meant, or it is on another board.
    """
    beside = flasher.named(serial) if serial is not None else None
    if beside is not None:
        return beside
    probes = flasher.probes()
    fitting = [each for each in probes if serial is None or _is_called(each, serial)]
    there = ", ".join(f"{each.serial} ({each.name})" for each in probes)
    if not probes:
        raise DeviceError(
            "no debug probe is plugged in, or this user may not use it: connect the board's debug "
            f"port by USB; {UDEV_RULES}"
        )
    if not fitting:
        raise DeviceError(
            f"no debug probe has the serial number {serial}: name one with --probe: {there}"
        )
    if len(fitting) > 1:
        raise DeviceError(f"several debug probes are plugged in: name one with --probe: {there}")
    (probe,) = fitting
    if probe.target is not None and not _is_same_chip(probe.target, target):
        raise DeviceError(
            f"the debug probe {probe.serial} ({probe.name}) is on a {probe.target}, and the board "
            f"has a {target}: name another board with --board, or another probe with --probe"
        )
    return probe


def _is_called(probe: DebugProbe, serial: str) -> bool:
    """Whether it has this serial number; a J-Link's USB port pads it with zeros."""
    return probe.serial.lower().lstrip("0") == serial.lower().lstrip("0")


def _is_same_chip(first: str, second: str) -> bool:
    """Whether two names may mean one chip, as ``stm32l4r5zi`` and ``stm32l4r5zitx``."""
    a, b = sorted((first.lower(), second.lower()), key=len)
    return b.startswith(a)


FLASHERS: Registry[type[Flasher]] = Registry("edgeprune.devices.flashers", "flasher")
