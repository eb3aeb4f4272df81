"""An emulated Arm core: programs run under qemu-user on this machine.

Times mean nothing there; executed instructions are counted instead, by a plug-in of ours.
"""

from __future__ import annotations

import functools
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from edgeprune.artifacts.core_work import Cache
from edgeprune.devices.boards import Board
from edgeprune.devices.device import Device
from edgeprune.devices.links.pipes import Child, append_file, run_to_end
from edgeprune.devices.toolchain import glibc
from edgeprune.devices.toolchain.qemu_plugin import build_cycles_plugin, build_plugin
from edgeprune.devices.transports._qemu_root import make_root
from edgeprune.devices.transports.base import (
    TRANSPORTS,
    Channel,
    CommandTransport,
    Completed,
    Probe,
    WorkCount,
)
from edgeprune.errors import DeviceError
from edgeprune.files.paths import digest_of
from edgeprune.text.debian import install_hint

_QEMU = "qemu-aarch64"
_ISA = "aarch64"
_PROBE_TIMEOUT_S = 60.0
_MODELS = {
    "cortex-a55": "cortex-a76",
    "cortex-a73": "cortex-a72",
    "cortex-a75": "cortex-a76",
    "cortex-a77": "cortex-a76",
    "cortex-a78": "cortex-a76",
    "cortex-x1": "cortex-a76",
}
"""Cores that QEMU 7.2 has no model of, and the model that has the instructions of each.

What programs learn from files is the core's own. Source: Arm, the cores' Technical Reference
Manuals: all are of Armv8.2 with half floats and dot products, as the Cortex-A76, but the A73 of
Armv8.0.
"""
_PACKAGES = f"qemu-user {glibc.APT_PACKAGES}"


class QemuChannel(Channel):
    """A program under emulation, with its count of instructions once it has ended."""

    def __init__(self, child: Child, count: Path | None) -> None:
        self._child = child
        self._count = count
        self._instructions: int | None = None

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``."""
        self._child.write(data, timeout_s)

    def read(self, size: int, timeout_s: float) -> bytes:
        """Receives exactly ``size`` bytes."""
        return self._child.read(size, timeout_s)

    def close(self, timeout_s: float = 5.0) -> int | None:
        """Closes the program's input and waits for its end.

        Returns:
            Instructions that it executed; None if they were not counted, or if the program had
            to be killed and so could not report them.
        """
        self._child.close(timeout_s)
        if self._count is not None:
            text = self._count.read_text() if self._count.is_file() else ""
            count = re.fullmatch(r"\s*([0-9]{1,18})\s*", text)
            self._instructions = int(count[1]) if count else None
            shutil.rmtree(self._count.parent, ignore_errors=True)
            self._count = None
        return self._instructions

    def kill(self) -> None:
        """Ends the emulator at once, and with it the program."""
        self._child.kill()


@TRANSPORTS.register
class Qemu(CommandTransport):
    """Runs programs for Arm on this machine, as the board's core would run them."""

    shares_files: ClassVar[bool] = True
    emulated: ClassVar[bool] = True
    used_for: ClassVar[str] = "emulated boards"

    @classmethod
    def probes(cls, boards: Sequence[Board], agent: Callable[[Board], Path]) -> Sequence[Probe]:
        """The emulator, the libraries of an Arm board, and all parts at once: a counted program."""
        looks: dict[str, Callable[[], str]] = {"qemu-aarch64": _version}
        for board in boards[:1]:
            looks["arm64 libraries"] = functools.partial(_libraries, board)
            looks["instruction counting"] = functools.partial(_counting, board, agent)
            looks["counting for estimated times"] = functools.partial(_work, board, agent)
        return [Probe(name, look, install_hint(_PACKAGES)) for name, look in looks.items()]

    def open(self) -> None:
        """Finds qemu-user and prepares the folder that it shows to programs as their root.

        Raises:
            DeviceError: Something is not installed; the message says how to install it.
            ConfigError: The board's core is none that can be emulated.
        """
        if shutil.which(_QEMU) is None:
            raise DeviceError(f"{_QEMU} is not installed: {install_hint(_PACKAGES)}")
        glibc.bundle(_ISA)
        self._root = make_root(self.board.cpu.core, self.board.cpu.features)

    def ingredients(self) -> Mapping[str, str]:
        """The emulator, the plug-in that counts, and what programs see of the board."""
        qemu = shutil.which(_QEMU)
        if qemu is None:
            raise DeviceError(f"{_QEMU} is not installed: {install_hint(_PACKAGES)}")
        libraries = {file.name: digest_of(file) for file in glibc.bundle(_ISA)}
        return {
            "emulator": digest_of(Path(qemu)),
            "plugin": digest_of(build_plugin()),
            "core": self.board.cpu.core,
            "cpuinfo": digest_of(self._root / "proc" / "cpuinfo"),
            **libraries,
        }

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Runs a program for Arm to its end."""
        return Completed(*run_to_end([*self._prefix(), *argv], timeout_s))

    def upload(self, source: Path, target: str, offset: int, timeout_s: float) -> None:
        """Appends ``source`` from byte ``offset`` on to the file ``target``."""
        append_file(source, Path(target), offset)

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], *, count_instructions: bool = False
    ) -> Channel:
        """Starts a program for Arm and leaves it running.

        Raises:
            DeviceError: It could not be started, or the counting plug-in could not be compiled.
        """
        if not count_instructions:
            return QemuChannel(Child([*self._prefix(), *argv], env), None)
        plugin = build_plugin()
        count = Path(tempfile.mkdtemp(prefix="edgeprune-")) / "instructions"
        option = ["-plugin", f"{_escape(plugin)},out={_escape(count)}"]
        try:
            return QemuChannel(Child([*self._prefix(), *option, *argv], env), count)
        except DeviceError:
            shutil.rmtree(count.parent, ignore_errors=True)
            raise

    def start_counting(self, argv: Sequence[str], wanted: WorkCount) -> Channel:
        """Starts a program for Arm of which more is counted, with an empty environment.

        What its blocks did repeats exactly so: the environment shifts the stack within the caches.

        Raises:
            DeviceError: It could not be started, or the counting plug-in could not be compiled.
        """
        caches = [f"cache={cache.bytes}:{cache.ways}" for cache in wanted.caches]
        plugin = [_escape(build_cycles_plugin()), f"out={_escape(wanted.file)}"]
        plugin += [f"last={wanted.intervals}", *caches]
        _, *prefix = self._prefix()
        qemu = shutil.which(_QEMU) or _QEMU  # without an environment it would be another one
        argv = [qemu, *prefix, "-plugin", ",".join(plugin), *argv]
        return QemuChannel(Child(argv, {}, inherits=False), None)

    def close(self) -> None:
        """Nothing to disconnect from; each channel is closed by its owner."""

    def _prefix(self) -> list[str]:
        """The part of a command line that is for qemu itself."""
        core = self.board.cpu.core
        return [_QEMU, "-L", str(self._root), "-cpu", _MODELS.get(core, core)]


def _escape(path: Path) -> str:
    """A path inside a qemu option, where a comma ends a value and two stand for one."""
    return str(path).replace(",", ",,")


def _version() -> str:
    """The emulator is installed and says its version."""
    _need_qemu()
    status, output, errors = run_to_end([_QEMU, "--version"], _PROBE_TIMEOUT_S)
    if status != 0 or not output:
        raise DeviceError(f"{_QEMU} --version ended with {status}: {errors[:200]}")
    return output.splitlines()[0]


def _libraries(board: Board) -> str:
    """The C and C++ libraries of an Arm board, which emulated programs load."""
    _need_qemu()
    try:
        with Qemu(board, Device(board.name, board.name)):
            return "libc6-arm64-cross and libstdc++6-arm64-cross"
    except DeviceError as error:
        raise FileNotFoundError(str(error)) from error


def _counting(board: Board, agent: Callable[[Board], Path]) -> str:
    """Runs the agent on the emulated core, with the plug-in that counts."""
    _need_qemu()
    with Qemu(board, Device(board.name, board.name)) as transport:
        channel = transport.start([str(agent(board))], {}, count_instructions=True)
        count = channel.close(_PROBE_TIMEOUT_S)
    if count is None:
        raise DeviceError(
            "an emulated program brought back no count: this qemu-aarch64 takes no plug-ins; "
            "Debian 12's, version 7.2, does"
        )
    return f"works: {count:,} instructions from an emulated agent's start to its end"


def _work(board: Board, agent: Callable[[Board], Path]) -> str:
    """Runs the agent on the emulated core, with the plug-in that counts what the core does."""
    _need_qemu()
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        file = Path(folder) / "counts"
        with Qemu(board, Device(board.name, board.name)) as transport:
            wanted = WorkCount(file, 1, [Cache(1 << 15, 4)])
            transport.start_counting([str(agent(board))], wanted).close(_PROBE_TIMEOUT_S)
        if not file.is_file() or not file.read_text().endswith("end\n"):
            raise DeviceError(
                "an emulated program brought back no counts of what its core did: this "
                "qemu-aarch64 takes no plug-ins; Debian 12's, version 7.2, does"
            )
    return "works"


def _need_qemu() -> None:
    if shutil.which(_QEMU) is None:
        raise FileNotFoundError(f"{_QEMU} is not installed")
