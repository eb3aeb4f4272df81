"""What works on this machine, what does not, and the command that mends it.

Every check stands alone: a broken part makes its own check ``broken`` and hides no other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeprune.devices.bench import Bench
from edgeprune.devices.boards import Board, board_names, load_board, resolved_cpu
from edgeprune.devices.toolchain.glibc import APT_PACKAGES
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.doctor import probes
from edgeprune.doctor.check import FAULTS, NEEDED_FOR, Check, Scope, checked, one_line
from edgeprune.doctor.packages import package_checks
from edgeprune.doctor.walls import wall_checks
from edgeprune.errors import ConfigError
from edgeprune.files import paths

__all__ = ["NEEDED_FOR", "Check", "Diagnosis", "Readiness", "diagnose"]

_APT = f"apt-get install qemu-user {APT_PACKAGES}"


@dataclass(frozen=True)
class Readiness:
    """Whether a board can be used from this machine now.

    Attributes:
        board: Its name.
        needs: What is missing, one line each; empty if it is ready.
    """

    board: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found.

    Attributes:
        checks: In a fixed order.
        boards: By name.
        notes: What is no fault, but good to know.
    """

    checks: tuple[Check, ...]
    boards: tuple[Readiness, ...]
    notes: tuple[str, ...]

    @property
    def is_ok(self) -> bool:
        """Whether everything works that the board ``local`` needs."""
        return all(check.state == "ok" for check in self.checks if check.scope == "local")


def diagnose(bench_file: Path | None = None) -> Diagnosis:
    """Looks at everything; a first time from a checkout takes ten seconds more, to compile agents.

    Args:
        bench_file: Bench file to check; the user's own if None.
    """
    bench_check, bench = probes.bench(bench_file)
    checks = (
        *package_checks(),
        checked("agent", "local", probes.agent, "pip install --force-reinstall edgeprune"),
        bench_check,
        checked(
            "board files", "local", probes.board_files, "pip install --force-reinstall edgeprune"
        ),
        probes.folder("data folder", paths.data_folder),
        probes.folder("cache folder", paths.cache_folder),
        checked(
            "ssh config", "ssh", probes.ssh_config, "correct the file; `ssh -G NAME` checks it"
        ),
        checked("qemu-aarch64", "emulated", probes.qemu_version, _APT),
        checked("arm64 libraries", "emulated", probes.arm64_libraries, _APT),
        checked(
            "glibc for phones", "adb", probes.phone_libraries, f"apt-get install {APT_PACKAGES}"
        ),
        checked("instruction counting", "emulated", probes.counting, _APT),
        *wall_checks(),
    )
    boards = tuple(_readiness(name, checks, bench) for name in _names())
    return Diagnosis(checks, boards, tuple(_notes()))


def _names() -> Sequence[str]:
    try:
        return board_names()
    except OSError:
        return ()  # the check of the boards has said why


def _readiness(name: str, checks: Sequence[Check], bench: Bench) -> Readiness:
    """What stands between the user and one board."""
    try:
        board = load_board(name)
    except ConfigError as error:
        return Readiness(name, (one_line(error),))
    if board.transport.use not in TRANSPORTS.names():
        known = ", ".join(TRANSPORTS.names())
        return Readiness(name, (f"transport.use {board.transport.use!r}, none of {known}",))
    scopes: set[Scope] = {"local"}
    if board.transport.use == "qemu":
        scopes.add("emulated")
    elif board.transport.use == "ssh":
        scopes.add("ssh")
    elif board.transport.use == "adb":
        scopes.add("adb")
    # Several parts may need the same command: it is named once.
    needs = [
        check.fix or check.found
        for check in checks
        if check.scope in scopes and check.state != "ok"
    ]
    return Readiness(name, (*dict.fromkeys(needs), *_device_needs(board, bench)))


def _device_needs(board: Board, bench: Bench) -> list[str]:
    if board.transport.use in ("local", "qemu", "adb"):  # adb takes the phone that is plugged in
        return []
    if any(device.board == board.name for device in bench.devices.values()):
        return []
    return [f"a device in {paths.config_folder() / 'bench.toml'}, or --host ADDRESS"]


def _sparse_note() -> str | None:
    from edgeprune.prediction import has_sparse_kernels

    cpu = resolved_cpu(load_board("local").cpu)
    if has_sparse_kernels(cpu):
        return None
    why = " (AVX)" if "avx" in cpu.features else ""
    return f"sparse kernels never run on this CPU{why}; rpi4-emulated shows what an Arm core does"


def _notes() -> Iterator[str]:
    try:
        note = _sparse_note()
    except FAULTS:
        return  # the checks of boards and packages have said why
    if note:
        yield note
    if sys.platform != "linux":
        yield f"this is {sys.platform}: only Linux has been tested"
