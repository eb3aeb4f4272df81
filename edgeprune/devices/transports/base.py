"""What a transport is: a way to run commands on a device and to bring bytes to it."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol

from edgeprune.devices.bench import Device
from edgeprune.devices.boards import Board
from edgeprune.registry import Registry


@dataclass(frozen=True)
class Completed:
    """A finished command on the device.

    Attributes:
        code: Exit status.
        stdout: What it printed.
        stderr: What it complained.
    """

    code: int
    stdout: str
    stderr: str


class Channel(abc.ABC):
    """A running program on the device, with its standard input and output as byte streams."""

    @abc.abstractmethod
    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``.

        Raises:
            DeviceTimeout: Not all bytes were taken within ``timeout_s`` seconds.
            DeviceError: The program has ended.
        """

    @abc.abstractmethod
    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes.

        Raises:
            DeviceTimeout: Fewer arrived within ``timeout_s`` seconds.
            DeviceError: The program ended first; the message carries its last words on stderr.
        """

    @abc.abstractmethod
    def close(self, timeout_s: float = 5.0) -> int | None:
        """Closes the program's input and waits for its end, killing it after ``timeout_s``.

        May be called twice.

        Returns:
            Instructions that the program executed, or None where the transport cannot count.
        """


class Program(Protocol):
    """A program on a device behind a wire, as the packages ``ssh`` and ``adb`` run it."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """As :meth:`Channel.write`."""

    def read(self, size: int, timeout_s: float) -> bytes:
        """As :meth:`Channel.read`."""

    def close(self, timeout_s: float) -> None:
        """Closes its input and waits for its end, killing it after ``timeout_s``."""


class ProgramChannel(Channel):
    """A program on a device behind a wire; nothing is counted there."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``."""
        self._program.write(data, timeout_s)

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes."""
        return self._program.read(size, timeout_s)

    def close(self, timeout_s: float = 5.0) -> int | None:
        """Closes the program's input and waits for its end."""
        self._program.close(timeout_s)
        return None


class Transport(abc.ABC):
    """An open way to one device; a context manager, opened in ``__enter__``.

    It knows nothing of models or of the agent's commands.

    Attributes:
        shares_files: The device sees the host's file system, so that nothing needs pushing.
        emulated: Times on this device mean nothing; instructions may be counted instead.
    """

    shares_files: ClassVar[bool] = False
    emulated: ClassVar[bool] = False

    def __init__(self, board: Board, device: Device) -> None:
        self.board = board
        self.device = device

    @property
    def where(self) -> str:
        """What messages call the device."""
        return self.device.name or self.device.host or self.board.name

    @abc.abstractmethod
    def open(self) -> None:
        """Connects.

        Raises:
            DeviceError: The device cannot be reached; the message says what to do.
        """

    @abc.abstractmethod
    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Runs a command to its end. Arguments arrive as they are, whatever they contain.

        Raises:
            DeviceTimeout: It ran longer than ``timeout_s`` seconds; it was killed.
            DeviceError: The connection broke.
        """

    @abc.abstractmethod
    def upload(self, source: Path, target: str, offset: int, timeout_s: float) -> None:
        """Appends ``source`` from byte ``offset`` on to the device's file ``target``.

        ``timeout_s`` bounds each stretch without progress, not the whole transfer.

        Raises:
            DeviceTimeout: No progress within ``timeout_s`` seconds.
            DiskFull: The device has no room.
            DeviceError: The connection broke.
        """

    @abc.abstractmethod
    def start(
        self, argv: Sequence[str], env: Mapping[str, str], *, count_instructions: bool = False
    ) -> Channel:
        """Starts a program and leaves it running.

        Args:
            argv: Program and arguments; paths are the device's.
            env: Variables set for it beside the device's own.
            count_instructions: Count instructions, where the transport can.

        Raises:
            DeviceError: It could not be started.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Disconnects; harmless when closed already."""

    def __enter__(self) -> Transport:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


TRANSPORTS: Registry[type[Transport]] = Registry("edgeprune.devices.transports", kind="transport")
