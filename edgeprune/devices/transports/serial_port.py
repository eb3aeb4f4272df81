"""A microcontroller on a serial port of this machine."""

from __future__ import annotations

import grp
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgeprune.devices.boards import Board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS, Firmware, Line, LineTransport, Probe
from edgeprune.errors import ConfigError, DeviceError, from_extra

if TYPE_CHECKING:  # pyserial is a part of its own: without it the transport can only say so
    from edgeprune.devices.links.serial.port import SerialPort

BAUD_RATE = 115_200
"""Where the bench says no other: what MLPerf Tiny's performance mode is run at."""

MAX_BAUD_RATE = 12_000_000
"""Source: FTDI, FT232H data sheet: the fastest that a USB bridge takes."""

_GROUP = "dialout"
_LET_IN = f"sudo usermod -aG {_GROUP} $USER, and log in again"
_NOT_IN_GROUP = f"this user is not in the group {_GROUP}, and may have to be: {_LET_IN}"


class PortLine(Line):
    """The line to a board's firmware over a port."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``."""
        self._port.write(data, timeout_s)

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes."""
        return self._port.read(size, timeout_s)

    def close(self, timeout_s: float = 5.0) -> int | None:
        """Closes the port; nothing is counted on a real board."""
        self._port.close()
        return None


@TRANSPORTS.register
class Serial(LineTransport):
    """Carries bytes over a serial port, which a USB cable brings most often."""

    bench_keys: ClassVar[tuple[str, ...]] = ("host", "serial")
    own_keys: ClassVar[Mapping[str, type]] = {"baud_rate": int}
    bench_example: ClassVar[str] = 'host = "/dev/ttyACM0"'
    used_for: ClassVar[str] = "microcontrollers on a serial port"
    extra: ClassVar[str | None] = "serial"

    @classmethod
    def probes(cls, boards: Sequence[Board], agent: Callable[[Board], Path]) -> Sequence[Probe]:
        """The ports behind USB."""
        return (Probe("serial ports", _ports, _LET_IN),)

    @classmethod
    def addressed(cls, device: Device) -> Device:
        """The device, whose ``host`` is the file of a port.

        Raises:
            ConfigError: It is no path, or the baud rate is none.
        """
        if device.host is not None and not device.host.startswith("/"):
            raise ConfigError(f"{device.host!r} is no serial port, expected one as /dev/ttyACM0")
        rate = device.own.get("baud_rate", BAUD_RATE)
        if not isinstance(rate, int) or not 0 < rate <= MAX_BAUD_RATE:
            raise ConfigError(f"baud_rate must be 1 to {MAX_BAUD_RATE:,}, got {rate}")
        return device

    def open(self) -> None:
        """Finds the port.

        Raises:
            DeviceError: There is none, or several may be meant.
            ConfigError: pyserial is not installed.
        """
        with from_extra("serial", "a board on a serial port"):
            from edgeprune.devices.links.serial.port import usb_ports
        self._path = self.device.host or _chosen(usb_ports(), self.device.serial, self.where)

    @property
    def shared_port(self) -> str | None:
        """The port's file."""
        return self._path

    def line(self, firmware: Firmware | None) -> Line:
        """Opens the port; a board runs what it was flashed with.

        Raises:
            DeviceError: It cannot be opened.
        """
        from edgeprune.devices.links.serial.port import SerialPort

        rate = self.device.own.get("baud_rate", BAUD_RATE)
        return PortLine(SerialPort(self._path, int(str(rate))))

    def close(self) -> None:
        """Nothing to disconnect from; each line is closed by its owner."""


def _chosen(ports: Mapping[str, str | None], serial: str | None, where: str) -> str:
    """The port of a serial number, or the only one that there is."""
    fitting = [path for path, number in ports.items() if serial in (None, number)]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(f"{path} ({number or 'no serial number'})" for path, number in ports.items())
    if fitting:
        raise DeviceError(f"{where}: several boards are plugged in: name one with --host: {there}")
    wanted = "" if serial is None else f" with the serial number {serial}"
    found = f"; there are: {there}" if there else ""
    raise DeviceError(
        f"{where}: no USB serial port{wanted} is plugged in, or its driver is missing{found}: "
        "plug the board in, or name its port with --host /dev/..."
    )


def _ports() -> str:
    """The ports behind USB, by their paths, and whether this user may open them.

    Raises:
        PermissionError: One may not be opened.
    """
    from edgeprune.devices.links.serial.port import usb_ports

    ports = list(usb_ports())
    closed = [path for path in ports if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        raise PermissionError(f"this user may not open {', '.join(closed)}")
    if ports:
        return ", ".join(ports)
    return f"works; no board is plugged in{'' if _is_in_group() else f'; {_NOT_IN_GROUP}'}"


def _is_in_group() -> bool:
    """Whether this user is in the group that owns serial ports, where there is one, or is root."""
    try:
        group = grp.getgrnam(_GROUP)
    except KeyError:
        return True
    return os.geteuid() == 0 or group.gr_gid in os.getgroups()
