"""One serial port, with a deadline on every wait."""

from __future__ import annotations

import contextlib
import os
import selectors
import termios
import time
from collections.abc import Iterator

import serial
from serial.tools import list_ports

from edgeprune.errors import DeviceError, DeviceTimeout
from edgeprune.text.untrusted import one_line

_FAULTS = (serial.SerialException, OSError, termios.error, ValueError)
"""What pyserial and the system raise where a port is not there, is none, or goes away."""

_GONE = "it is gone: was the board unplugged?"


class SerialPort:
    """An open port: 8 data bits, no parity, 1 stop bit; nobody else may open it meanwhile."""

    def __init__(self, path: str, baud_rate: int) -> None:
        """Opens it, and drops what came before.

        Args:
            path: Its file, as ``/dev/ttyACM0``.
            baud_rate: Bits a second.

        Raises:
            DeviceError: It cannot be opened; the message says what to do.
        """
        self._path = path
        with self._told():
            self._port = serial.Serial(path, baud_rate, timeout=0, exclusive=True)
            self._port.reset_input_buffer()

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``.

        Raises:
            DeviceTimeout: Not all bytes were taken within ``timeout_s`` seconds.
            DeviceError: The port is gone.
        """
        until_s = time.monotonic() + timeout_s
        left = memoryview(data)
        while left:
            number = self._ready(selectors.EVENT_WRITE, until_s)
            with self._told(), contextlib.suppress(BlockingIOError):
                left = left[os.write(number, left) :]

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes.

        Raises:
            DeviceTimeout: Fewer arrived within ``timeout_s`` seconds.
            DeviceError: The port is gone.
        """
        until_s = time.monotonic() + timeout_s
        data = b""
        while len(data) < size:
            number = self._ready(selectors.EVENT_READ, until_s)
            with self._told(), contextlib.suppress(BlockingIOError):
                part = os.read(number, size - len(data))
                if not part:
                    raise DeviceError(f"{self._path}: {_GONE}")
                data += part
        return data

    def _ready(self, event: int, until_s: float) -> int:
        """Waits until the port has or takes bytes; pyserial would set it up anew for each wait.

        Raises:
            DeviceTimeout: It was not ready in time.
            DeviceError: It is gone.
        """
        with self._told(), selectors.PollSelector() as selector:
            selector.register(self._port.fileno(), event)
            while not selector.select(max(0.0, until_s - time.monotonic())):
                if time.monotonic() >= until_s:
                    what = "sent nothing" if event == selectors.EVENT_READ else "took no more bytes"
                    raise DeviceTimeout(f"{self._path}: {what} in time")
            return int(self._port.fileno())

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Says of which port a fault is, and what to do."""
        try:
            yield
        except BlockingIOError:
            raise
        except _FAULTS as error:
            raise DeviceError(f"{self._path}: {_why(error)}") from error

    def close(self) -> None:
        """Closes it; may be called twice."""
        try:
            self._port.close()
        except _FAULTS:
            return  # it was unplugged


def usb_ports() -> dict[str, str | None]:
    """Serial ports behind USB: path to the serial number of what is plugged in, or None."""
    try:
        found = [port for port in list_ports.comports() if port.vid is not None]
    except OSError as error:
        raise DeviceError(f"serial ports cannot be listed: {error.strerror or error}") from error
    return {str(port.device): port.serial_number for port in sorted(found)}


def _why(error: Exception) -> str:
    """What is wrong with a port, and what to do."""
    number = getattr(error, "errno", None)
    hints = {
        2: "there is no such port: plug the board in; `ls /dev/tty*` names the ports",
        13: "this user may not open it: sudo usermod -aG dialout $USER, and log in again",
        16: "another program has it open: close that",
        11: "another program has it open: close that",
        5: _GONE,
    }
    return hints.get(number or 0) or one_line(error, 200)
