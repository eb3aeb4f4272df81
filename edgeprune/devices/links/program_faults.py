"""What goes wrong with a program on a device, in the words that ``ssh`` and ``adb`` share."""

from __future__ import annotations

from edgeprune.devices.links.pipes import OUTPUT_LIMIT_BYTES
from edgeprune.errors import DeviceError, DeviceTimeout
from edgeprune.text.untrusted import device_says


def took_no_input(where: str, timeout_s: float) -> DeviceTimeout:
    """It did not read what was sent."""
    return DeviceTimeout(f"{where}: took no more input within {timeout_s:g} s")


def sent_nothing(where: str, words: str) -> DeviceTimeout:
    """It did not print what was waited for; ``words`` is its standard error so far."""
    said = f"; {device_says(words)}" if words else ""
    return DeviceTimeout(f"{where}: sent nothing in time{said}")


def printed_too_much(where: str) -> DeviceError:
    """It printed more than anybody asks for."""
    limit = f"{OUTPUT_LIMIT_BYTES >> 20} MiB"
    return DeviceError(f"{where}: a command printed more than {limit}")
