"""An emulated microcontroller: qemu-system-arm on this machine runs the firmware as a whole board.

Times mean nothing there; executed instructions are counted instead, by a plug-in of ours.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from edgeprune.devices.boards import Board
from edgeprune.devices.device import Device
from edgeprune.devices.links.pipes import Child, run_to_end
from edgeprune.devices.toolchain.elf import functions
from edgeprune.devices.toolchain.qemu_plugin import build_call_plugin
from edgeprune.devices.transports.base import TRANSPORTS, Firmware, Line, LineTransport, Probe
from edgeprune.errors import DeviceError
from edgeprune.text.debian import install_hint

_QEMU = "qemu-system-arm"
_PACKAGES = "qemu-system-arm"
_PROBE_TIMEOUT_S = 60.0
_MAX_COUNTS_BYTES = 64 << 20
_GREETING_BYTES = 1 << 12


class QemuLine(Line):
    """The first serial port of an emulated board."""

    def __init__(self, child: Child, folder: Path | None) -> None:
        """``folder``: where the plug-in writes counts; None where nothing is counted."""
        self._child, self._folder = child, folder

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``."""
        self._child.write(data, timeout_s)

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes."""
        return self._child.read(size, timeout_s)

    def counts(self) -> tuple[Sequence[int], ...]:
        """Instructions of each call so far, and of its parts."""
        if self._folder is None:
            return ()
        file = self._folder / "counts"
        try:
            if file.stat().st_size > _MAX_COUNTS_BYTES:
                raise DeviceError(f"{_QEMU}: the counter wrote too much")
            lines = file.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError as error:
            raise DeviceError(f"{_QEMU}: the counts cannot be read: {error}") from error
        wrong = next((s for s in lines if not re.fullmatch(r"\d{1,18}( \d{1,18})*", s)), None)
        if wrong is not None:
            raise DeviceError(f"{_QEMU}: the counter wrote {wrong[:60]!r}, expected numbers")
        return tuple([int(word) for word in line.split()] for line in lines)

    def close(self, timeout_s: float = 5.0) -> int | None:
        """Ends the emulation, which would go on for ever."""
        self._child.close(0.0)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        return None


@TRANSPORTS.register
class QemuSystem(LineTransport):
    """Runs a microcontroller's firmware on this machine; its serial line is a pair of pipes."""

    emulated: ClassVar[bool] = True
    used_for: ClassVar[str] = "emulated microcontrollers"

    @classmethod
    def probes(cls, boards: Sequence[Board], agent: Callable[[Board], Path]) -> Sequence[Probe]:
        """The emulator, and all parts at once: the firmware of each board, with the plug-in."""
        looks: dict[str, Callable[[], str]] = {_QEMU: _version}
        for board in boards:
            looks[f"firmware of {board.name}"] = functools.partial(_greeting, board, agent)
        return [Probe(name, look, install_hint(_PACKAGES)) for name, look in looks.items()]

    def open(self) -> None:
        """Finds the emulator.

        Raises:
            DeviceError: It is not installed; the message says how to install it.
        """
        if shutil.which(_QEMU) is None:
            raise DeviceError(f"{_QEMU} is not installed: {install_hint(_PACKAGES)}")

    def line(self, firmware: Firmware | None) -> Line:
        """Starts the emulated board anew.

        Raises:
            DeviceError: It cannot be started, or there is nothing to run on it.
        """
        if firmware is None:
            raise DeviceError(f"{self.where}: an emulated board needs firmware to run")
        folder = Path(tempfile.mkdtemp(prefix="edgeprune-"))
        try:
            plugin = build_call_plugin()
            argv = [*_start(self.board), "-kernel", str(firmware.elf)]
            argv += ["-plugin", _counting(plugin, folder / "counts", firmware)]
            return QemuLine(Child(argv, {}), folder)
        except DeviceError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def close(self) -> None:
        """Nothing to disconnect from; each line is closed by its owner."""


def _start(board: Board) -> list[str]:
    """The command line but for the firmware."""
    line = ["-chardev", "stdio,id=line,mux=off,signal=off", "-serial", "chardev:line"]
    return [_QEMU, "-machine", board.agent.target, "-display", "none", "-monitor", "none", *line]


def _counting(plugin: Path, out: Path, firmware: Firmware) -> str:
    """The option that loads the plug-in: what is counted, by address."""
    places = functions(firmware.elf)
    if firmware.counted not in places:
        raise DeviceError(f"{firmware.elf} has no function {firmware.counted}: build it anew")
    counted = places[firmware.counted]
    parts = {at.begin for name, at in places.items() if re.fullmatch(firmware.parts, name)}
    words = [f"parent={os.getpid()}", f"out={_escape(out)}"]
    words += [f"call={counted.begin:x}", f"end={counted.end:x}"]
    return ",".join([_escape(plugin), *words, *(f"part={at:x}" for at in sorted(parts))])


def _escape(path: Path) -> str:
    """A path inside a qemu option, where a comma ends a value and two stand for one."""
    return str(path).replace(",", ",,")


def _version() -> str:
    """The emulator is installed and says its version."""
    if shutil.which(_QEMU) is None:
        raise FileNotFoundError(f"{_QEMU} is not installed")
    status, output, errors = run_to_end([_QEMU, "--version"], _PROBE_TIMEOUT_S)
    if status != 0 or not output:
        raise DeviceError(f"{_QEMU} --version ended with {status}: {errors[:200]}")
    return output.splitlines()[0]


def _greeting(board: Board, agent: Callable[[Board], Path]) -> str:
    """Starts the board's firmware with the plug-in, and hears its greeting."""
    _version()
    firmware = Firmware(agent(board), "ep_run", "ep_.*__.*")
    with QemuSystem(board, Device(board.name, board.name)) as transport:
        line, heard = transport.line(firmware), b""
        try:
            while not heard.endswith(b"m-ready\r\n") and len(heard) < _GREETING_BYTES:
                heard += line.read(1, _PROBE_TIMEOUT_S)
            line.counts()
        finally:
            line.close()
    return "starts, and its instructions are counted"
