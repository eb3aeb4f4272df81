"""What a transport is: a way to a device, which runs commands or only carries bytes to firmware."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from edgeprune.artifacts.core_work import Cache
from edgeprune.devices.boards import Board
from edgeprune.devices.device import Device
from edgeprune.devices.opened import Opened
from edgeprune.errors import ConfigError, DeviceError
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
    """A program that runs on the device, with its input and output as byte streams.

    On a device that runs commands these are its standard input and output; on a microcontroller it
    is the firmware, at the other end of a serial line.
    """

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

        Firmware does not end; the line to it is closed. May be called twice.

        Returns:
            Instructions that the program executed, or None where the transport cannot count.
        """

    def kill(self) -> None:  # noqa: B027 - what is elsewhere ends with its connection
        """Ends a program of this machine at once, from any thread; elsewhere it does nothing.

        Who waits for an answer of it gets a DeviceError. It has to be closed all the same.
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


@dataclass(frozen=True)
class Probe:
    """One thing on this machine that a transport needs, for ``edgeprune doctor``.

    Attributes:
        name: What is looked at.
        look: Returns what was found; a FileNotFoundError says that it is missing, any other error
            of ours or of the system that it is broken.
        fix: The command or the change that mends it.
    """

    name: str
    look: Callable[[], str]
    fix: str


class Transport(Opened):
    """An open way to one device; a context manager, opened in ``__enter__``.

    It knows nothing of models or of the agent's commands. What the bench file, ``doctor`` and the
    commands must know of it stands here as class attributes: nobody asks for a transport's name.

    Attributes:
        shares_files: The device sees the host's file system, so that nothing needs pushing.
        emulated: Times on this device mean nothing; instructions may be counted instead.
        needs_address: The bench file or ``--host`` must say which device is meant; else there is
            only one that it can be.
        has_host_key: The device proves who it is by an SSH host key, which a person trusts once.
        bench_keys: Keys of a device's table in the bench file that it reads, beside ``board``,
            ``folder``, ``cpus`` and ``meter``, which every transport has.
        own_keys: Keys that it alone reads, each with its type; their values are in ``device.own``.
        bench_example: How a device's table says where it is.
        used_for: What cannot be used without it, in people's words.
        extra: Optional part of edgeprune that it needs; None if it needs none.
    """

    shares_files: ClassVar[bool] = False
    emulated: ClassVar[bool] = False
    needs_address: ClassVar[bool] = False
    has_host_key: ClassVar[bool] = False
    bench_keys: ClassVar[tuple[str, ...]] = ()
    own_keys: ClassVar[Mapping[str, type]] = {}
    bench_example: ClassVar[str] = 'host = "ADDRESS"'
    used_for: ClassVar[str] = ""
    extra: ClassVar[str | None] = None

    @classmethod
    def probes(cls, boards: Sequence[Board], agent: Callable[[Board], Path]) -> Sequence[Probe]:
        """What it needs on this machine, each thing with a way to look at it.

        Args:
            boards: Every board that is reached by it.
            agent: Builds our agent for a board, and returns the program.
        """
        return ()

    @classmethod
    def left_as_found(cls) -> contextlib.AbstractContextManager[None]:
        """For a night of many runs: what they start here beside them ends with the block."""
        return contextlib.nullcontext()

    @classmethod
    def addressed(cls, device: Device) -> Device:
        """The device with ``host`` taken apart into what it says, as user, address and port.

        Raises:
            ConfigError: ``host`` is no address, or says other than the device's other keys.
        """
        return device

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
    def close(self) -> None:
        """Disconnects; harmless when closed already."""


@dataclass(frozen=True)
class WorkCount:
    """What an emulated core counts of a program, for its cycles to be estimated from.

    Attributes:
        file: Where it goes once the program has ended; ``device_agents/qemu/qemu_cycles.c`` says
            how.
        intervals: How many of the last intervals between two readings of the clock are counted.
        caches: Levels of data cache that are simulated, the nearest to the core first.
    """

    file: Path
    intervals: int
    caches: Sequence[Cache]


class CommandTransport(Transport):
    """A way to a device that has an operating system: it runs commands and keeps files."""

    def ingredients(self) -> Mapping[str, str] | None:
        """What the results of a program here depend on beside the program, each by its digest.

        Returns:
            None where they depend on the moment too, as on any real device.

        Raises:
            DeviceError: A part is missing.
        """
        return None

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

    def start_counting(self, argv: Sequence[str], wanted: WorkCount) -> Channel:
        """Starts a program of which more is counted, where the transport can.

        Raises:
            DeviceError: It could not be started, or cannot be counted there.
        """
        raise DeviceError(f"{self.where}: what a core does is counted on emulated boards only")


@dataclass(frozen=True)
class Firmware:
    """The program of a microcontroller, as it is built for its board.

    Attributes:
        elf: The file, with its symbols.
        counted: Name of the function whose instructions are counted where that is possible.
        parts: Pattern of the names of functions that it calls, each of which is counted apart.
    """

    elf: Path
    counted: str
    parts: str


class Line(Channel):
    """A serial line to firmware."""

    def counts(self) -> tuple[Sequence[int], ...]:
        """Instructions of each call of :attr:`Firmware.counted` so far, where they are counted.

        Returns:
            For each call, instructions from its first to its return: all of them, then those of
            each of :attr:`Firmware.parts` that it called, in order. Empty where the transport
            cannot count.

        Raises:
            DeviceError: The counter failed.
        """
        return ()


class LineTransport(Transport):
    """A way to a microcontroller: bytes to and from its firmware, and nothing else."""

    @property
    def shared_port(self) -> str | None:
        """The file that all runs on this device open; None where each has a device of its own."""
        return None

    @abc.abstractmethod
    def line(self, firmware: Firmware | None) -> Line:
        """Opens the line, with the firmware running at its other end.

        Args:
            firmware: What an emulated board is to run, which starts anew; a real one runs what it
                was flashed with, and takes None.

        Raises:
            DeviceError: It cannot be opened.
        """


TRANSPORTS: Registry[type[Transport]] = Registry("edgeprune.devices.transports", kind="transport")


def command_transport(board: Board, device: Device) -> CommandTransport:
    """The way to a device that runs commands, not yet open.

    Raises:
        ConfigError: The board is reached by a transport that runs none.
    """
    transport = TRANSPORTS.get(board.transport.use)
    if not issubclass(transport, CommandTransport):
        raise ConfigError(_unfit(board, "runs no commands"))
    return transport(board, device)


def line_transport(board: Board, device: Device) -> LineTransport:
    """The way to a microcontroller, not yet open.

    Raises:
        ConfigError: The board is reached by a transport that is none to firmware.
    """
    transport = TRANSPORTS.get(board.transport.use)
    if not issubclass(transport, LineTransport):
        raise ConfigError(_unfit(board, "leads to no firmware"))
    return transport(board, device)


def _unfit(board: Board, lacks: str) -> str:
    return (
        f"board {board.name}: transport.use {board.transport.use!r} {lacks}, which agent.use "
        f"{board.agent.use!r} needs"
    )
