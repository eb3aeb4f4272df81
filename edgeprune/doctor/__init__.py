"""What works on this machine, what does not, and the command that mends it.

Every check stands alone: a broken part makes its own check ``broken`` and hides no other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeprune.devices.bench import Bench, transport_of
from edgeprune.devices.boards import Board, board_names, load_board, resolved_cpu
from edgeprune.devices.transports.base import Transport
from edgeprune.doctor import probes
from edgeprune.doctor.check import BENCH, EVERY_BOARD, FAULTS, NEEDED_FOR, Check, checked
from edgeprune.doctor.packages import package_checks
from edgeprune.doctor.walls import wall_checks
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.measure import kept_runs
from edgeprune.text.untrusted import reason_of
from edgeprune.training import store

__all__ = ["Check", "Diagnosis", "Readiness", "diagnose"]


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
        needed_for: Scope of a check to what cannot be used without it, in the order to show them.
    """

    checks: tuple[Check, ...]
    boards: tuple[Readiness, ...]
    notes: tuple[str, ...]
    needed_for: dict[str, str]

    @property
    def is_ok(self) -> bool:
        """Whether everything works that the board ``local`` needs."""
        return all(check.state == "ok" for check in self.checks if check.scope == EVERY_BOARD)


def diagnose(bench_file: Path | None = None) -> Diagnosis:
    """Looks at everything; a first time from a checkout takes ten seconds more, to compile agents.

    Args:
        bench_file: Bench file to check; the user's own if None.
    """
    bench_check, bench = probes.bench(bench_file)
    boards, wrong = _boards()
    ways = tuple(probes.transports())
    used = [(name, transport) for name, transport, _ in ways if transport is not None]
    reinstall = "pip install --force-reinstall edgeprune"
    checks = (
        *package_checks({way.extra: name for name, way in used if way.extra}),
        checked("agent", EVERY_BOARD, probes.agent, reinstall),
        bench_check,
        checked("board files", EVERY_BOARD, probes.board_files, reinstall),
        probes.folder("data folder", paths.data_folder),
        probes.folder("cache folder", paths.cache_folder),
        checked("kept trainings", "keras", store.summary, "see the message"),
        checked("kept counts of emulated boards", "qemu", kept_runs.summary, "see the message"),
        *_transport_checks(ways, boards),
        checked("LLVM", "estimates", probes.pipelines, probes.LLVM_FIX),
        checked("costs in cycles", "estimates", probes.cycle_tables, reinstall),
        *probes.flashers(),
        *wall_checks(),
    )
    needed_for = {name: way.used_for or f"boards reached by {name}" for name, way in used}
    needed_for = {EVERY_BOARD: "", **needed_for} | NEEDED_FOR
    ready = [*wrong, *(_readiness(board, checks, bench) for board in boards)]
    ready.sort(key=lambda readiness: readiness.board)
    return Diagnosis(checks, tuple(ready), tuple(_notes()), needed_for)


def _boards() -> tuple[list[Board], list[Readiness]]:
    """The boards whose files are right, and what is wrong with the others."""
    boards, wrong = [], []
    for name in _names():
        try:
            boards.append(load_board(name))
        except ConfigError as error:
            wrong.append(Readiness(name, (reason_of(error),)))
    return boards, wrong


def _transport_checks(
    ways: Sequence[tuple[str, type[Transport] | None, str]], boards: Sequence[Board]
) -> Iterator[Check]:
    """What each transport says that it needs."""
    for name, transport, reason in ways:
        if transport is None:
            yield Check(f"transport {name}", "broken", reason, name, "see the message")
            continue
        its = [board for board in boards if board.transport.use == name]
        for probe in transport.probes(its, probes.agent_for):
            yield checked(probe.name, name, probe.look, probe.fix)


def _names() -> Sequence[str]:
    try:
        return board_names()
    except OSError:
        return ()  # the check of the boards has said why


def _readiness(board: Board, checks: Sequence[Check], bench: Bench) -> Readiness:
    """What stands between the user and one board."""
    transport = transport_of(board.name)
    scopes = {EVERY_BOARD, board.transport.use}
    lacks_device = []
    if transport is not None and transport.needs_address:
        scopes.add(BENCH)
        if all(device.board != board.name for device in bench.devices.values()):
            file = paths.config_folder() / "bench.toml"
            lacks_device = [f"a device in {file}, or --host ADDRESS"]
    needs = [
        check.fix or check.found
        for check in checks
        if check.scope in scopes and check.state != "ok"
    ]
    # Several parts may need the same command: it is named once.
    return Readiness(board.name, (*dict.fromkeys(needs), *lacks_device))


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
        yield (
            f"this is {sys.platform}: boards that are local or emulated need Linux; files can be "
            "explained and compressed, and boards reached by ssh and adb, untested as that is"
        )
