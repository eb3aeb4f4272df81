"""The user's adb server: whether it runs, which phones it has, and the one that is wanted."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from edgeprune.devices.device import Device
from edgeprune.devices.links.pipes import run_to_end
from edgeprune.errors import DeviceError, from_extra
from edgeprune.text.debian import install_hint
from edgeprune.text.untrusted import one_line, printable

DEFAULT_PORT = 5555
"""TCP port of a phone's adbd. Source: ``adb connect``, in ``adb help``."""

_TIMEOUT_S = 10.0
_SETTLE_S = 5.0
_POLL_S = 0.1
_STATES = {
    "unauthorized": "unlock it and allow this computer to debug it",
    "offline": "unplug it and plug it in again, or restart its debugging",
    "no permissions": "this user may not open its USB port: see `adb devices`",
    "absent": "is it plugged in, with USB debugging on? See `adb devices`",
}


def _ignore(_: socket.socket) -> None:
    """Nobody ends the wait."""


class Server:
    """Asks the adb server that ``ANDROID_ADB_SERVER_HOST`` and ``_PORT`` name, or the usual one."""

    def __init__(self) -> None:
        """Starts the server if none runs.

        Raises:
            ConfigError: ``adbutils`` is missing.
            DeviceError: There is no adb, or its server does not start.
        """
        with from_extra("adb", "adb"):
            import adbutils
        # ValueError: a length or a text that is none, as from another program on adb's port.
        self._errors = (adbutils.AdbError, OSError, EOFError, ValueError)
        self._client = adbutils.AdbClient()
        if not is_answering(self._client):
            self._start(adbutils)

    def ask(self, request: str, timeout_s: float = _TIMEOUT_S) -> str:
        """The server's answer to a request of its own, as ``host:version``.

        Raises:
            DeviceError: It refused, or does not answer.
        """
        connection = self._connect(request, timeout_s, "", _ignore)
        try:
            return str(connection.read_string_block())
        except self._errors as error:
            raise DeviceError(
                f"adb server: {one_line(request, 100)}: {one_line(error) or 'no answer'}"
            ) from error
        finally:
            connection.close()

    def connect(
        self,
        request: str,
        timeout_s: float,
        serial: str = "",
        begun: Callable[[socket.socket], None] = _ignore,
    ) -> socket.socket:
        """A connection on which the server has accepted ``request``.

        Args:
            request: A service of the server, or of the phone ``serial``.
            timeout_s: How long accepting may take.
            serial: Phone to hand the connection over to.
            begun: Given the socket before anything is asked on it, so that another thread can end
                the wait.

        Raises:
            DeviceError: Refused, or no answer in time; the socket is closed.
        """
        connection: socket.socket = self._connect(request, timeout_s, serial, begun).conn
        return connection

    def _connect(
        self, request: str, timeout_s: float, serial: str, begun: Callable[[socket.socket], None]
    ) -> Any:
        connection: Any = None
        try:
            connection = self._client.make_connection(timeout=timeout_s)
            begun(connection.conn)
            for words in ([f"host:transport:{serial}"] if serial else []) + [request]:
                connection.send_command(words)
                connection.check_okay()
            return connection
        except self._errors as error:
            if connection is not None:
                connection.close()
            service = request.partition(":")[0]
            reason = one_line(error) or type(error).__name__
            if "Unknown data: ''" in str(error):
                reason = "it closed the connection"
            raise DeviceError(f"{serial or 'adb server'}: {service}: {reason}") from error

    def states(self) -> dict[str, str]:
        """Every phone that the server knows: serial number to state, ``device`` if usable."""
        return read_states(self.ask("host:devices"))

    def find(self, device: Device) -> str:
        """The serial number under which the server has the wanted phone, ready for use.

        A phone on the network is connected to first. Where neither serial number nor address is
        given, it is the only phone that there is.

        Raises:
            DeviceError: There is no such phone, or it cannot be used; the message says what to do.
        """
        states = self.states()
        serial = device.serial or ""
        if not serial and device.host:
            serial = device.host
            if device.port is not None or not (":" in serial or serial in states):
                serial = f"{serial}:{device.port or DEFAULT_PORT}"
        if not serial:
            if not states:
                raise DeviceError(f"adb sees no phone: {_STATES['absent']}")
            if len(states) > 1:
                raise DeviceError(
                    f"adb sees {len(states)} phones: name one by `serial` in bench.toml, or with "
                    f"--host SERIAL: {one_line(', '.join(states))}"
                )
            [serial] = states
        on_network = bool(device.host) and ":" in serial
        if on_network and states.get(serial) != "device":
            self.reach(serial)
        self._settled(serial, on_network)
        return serial

    def reach(self, address: str) -> None:
        """Connects to a phone on the network, anew if the server holds a connection.

        Raises:
            DeviceError: There is no phone.
        """
        if address in self.states():
            self.ask(f"host:disconnect:{address}")
        said = self.ask(f"host:connect:{address}", 2 * _TIMEOUT_S)
        if "connected to" not in said and "authenticate" not in said:  # its state tells the latter
            raise DeviceError(
                f"{one_line(said)}: is the phone on this network, with debugging over it on?"
            )

    def _settled(self, serial: str, on_network: bool) -> None:
        """Waits while a phone is coming up.

        The server forgets a phone on the network whose connection ends, also right after it said
        that it is connected: such a one is connected to again.

        Raises:
            DeviceError: It is not usable within some seconds.
        """
        end_s = time.monotonic() + _SETTLE_S
        while (state := self.states().get(serial, "absent")) != "device":
            if state == "unauthorized" or time.monotonic() > end_s:
                raise DeviceError(f"{serial}: adb says {state}: {_STATES.get(state, 'wait')}")
            time.sleep(_POLL_S)
            if on_network and state == "absent":
                self.reach(serial)

    def _start(self, adbutils: Any) -> None:
        """Starts the server with the user's adb, or with the one that comes with adbutils."""
        try:
            program = adbutils.adb_path()
        except adbutils.AdbError as error:
            raise DeviceError(f"{one_line(error)}: {install_hint('adb')}") from error
        code, _, words = run_to_end([program, "start-server"], 2 * _TIMEOUT_S)
        if code or not is_answering(self._client):
            raise DeviceError(f"the adb server does not start: {one_line(words)}")


def is_answering(client: Any) -> bool:
    """Whether something listens where adb's client looks for the server."""
    try:
        socket.create_connection((client.host, client.port), 3.0).close()
    except OSError:
        return False
    return True


def read_states(lines: str) -> dict[str, str]:
    r"""Serial number to state, out of what ``host:devices`` says; both clean.

    >>> read_states("1A2B\tdevice\n10.0.0.7:5555\toffline\n")
    {'1A2B': 'device', '10.0.0.7:5555': 'offline'}
    """
    pairs = (line.partition("\t") for line in lines.splitlines())
    return {printable(serial)[:128]: one_line(state, 60) for serial, tab, state in pairs if tab}
