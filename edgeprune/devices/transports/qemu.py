"""An emulated Arm core: programs run under qemu-user on this machine.

Times mean nothing there; executed instructions are counted instead, by a plug-in of ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from edgeprune.devices import cpuinfo
from edgeprune.devices.links.pipes import Child, append_file, run_to_end
from edgeprune.devices.toolchain import glibc
from edgeprune.devices.toolchain.qemu_plugin import build_plugin
from edgeprune.devices.transports.base import TRANSPORTS, Channel, Completed, Transport
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.files import paths

_QEMU = "qemu-aarch64"
_ISA = "aarch64"
_PUT_ATTEMPTS = 20
_APT = f"apt-get install qemu-user {glibc.APT_PACKAGES}"


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
            found = re.fullmatch(r"\s*([0-9]{1,18})\s*", text)
            self._instructions = int(found[1]) if found else None
            shutil.rmtree(self._count.parent, ignore_errors=True)
            self._count = None
        return self._instructions


@TRANSPORTS.register
class Qemu(Transport):
    """Runs programs for Arm on this machine, as the board's core would run them."""

    shares_files: ClassVar[bool] = True
    emulated: ClassVar[bool] = True

    def open(self) -> None:
        """Finds qemu-user and prepares the folder that it shows to programs as their root.

        Raises:
            DeviceError: Something is not installed; the message says how to install it.
            ConfigError: The board's core is none that can be emulated.
        """
        if shutil.which(_QEMU) is None:
            raise DeviceError(f"{_QEMU} is not installed: {_APT}")
        glibc.bundle(_ISA)
        self._root = _make_root(self.board.cpu.core, self.board.cpu.features)

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

    def close(self) -> None:
        """Nothing to disconnect from; each channel is closed by its owner."""

    def _prefix(self) -> list[str]:
        """The part of a command line that is for qemu itself."""
        return [_QEMU, "-L", str(self._root), "-cpu", self.board.cpu.core]


def _escape(path: Path) -> str:
    """A path inside a qemu option, where a comma ends a value and two stand for one."""
    return str(path).replace(",", ",,")


def _make_root(core: str, features: Sequence[str]) -> Path:
    """The folder that emulated programs see in place of this machine's libraries and cpuinfo.

    qemu-user 7.2 shows this machine's own ``/proc/cpuinfo``, which makes XNNPACK's detection of an
    Arm core crash, unless the folder holds another.
    """
    if core not in cpuinfo.PARTS:
        known = ", ".join(cpuinfo.PARTS)
        raise ConfigError(f"cpu.core {core!r} cannot be emulated; known cores: {known}")
    text = cpuinfo.cpuinfo_text(core, features, cores=1)
    digest = hashlib.sha256((text + str(glibc.folder(_ISA))).encode()).hexdigest()[:12]
    root = paths.cache_folder() / "qemu" / f"{core}-{digest}"
    if _is_root(root, text):
        return root
    with paths.aside(root.parent) as aside:
        made = aside / "root"
        (made / "proc").mkdir(parents=True)
        (made / "proc" / "cpuinfo").write_text(text)
        (made / "lib").symlink_to(glibc.folder(_ISA))
        _put(made, root, text)
    return root


def _put(made: Path, root: Path, text: str) -> None:
    """Renames a finished root into its place, unless another process was faster and made the same.

    A damaged root is renamed away, never emptied in its place: another process may put a whole one
    there at any moment, and run programs in it.
    """
    for attempt in range(_PUT_ATTEMPTS):
        try:
            made.rename(root)
        except OSError:
            if _is_root(root, text):
                return
            if attempt + 1 == _PUT_ATTEMPTS:
                raise
            with contextlib.suppress(FileNotFoundError):
                root.rename(made.parent / f"damaged-{attempt}")
        else:
            return


def _is_root(root: Path, text: str) -> bool:
    """Whether the folder is there and whole."""
    try:
        kept = (root / "proc" / "cpuinfo").read_text(encoding="utf-8", errors="replace")
        return kept == text and (root / "lib").readlink() == glibc.folder(_ISA)
    except OSError:
        return False
