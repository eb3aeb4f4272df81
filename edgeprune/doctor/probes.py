"""Tools, folders and files of this machine, each tried out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from edgeprune.devices.bench import Bench, load_bench
from edgeprune.devices.boards import Board, Cpu, board_names, load_board
from edgeprune.devices.device import Device
from edgeprune.devices.flashers.base import FLASHERS, UDEV_RULES
from edgeprune.devices.transports.base import TRANSPORTS, Transport, command_transport
from edgeprune.doctor.check import BENCH, EVERY_BOARD, FAULTS, Check, checked
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.prediction.cost.cycles import cycle_costs
from edgeprune.prediction.cycles import core_names, llvm
from edgeprune.text.debian import install_hint
from edgeprune.text.untrusted import reason_of

#: Compiled agents with the compiler's cache take 52 MB (measured, Debian 12), and a fetched runtime
#: 8 MB a processor; the rest is room for histories and models.
FREE_BYTES = 500_000_000


def agent() -> str:
    """Starts the agent for this machine, compiled here unless the wheel has it, and hears it."""
    from edgeprune.agents.start import start_agent

    board = load_board("local")
    program = agent_for(board)
    with command_transport(board, Device(board.name, board.name)) as transport:
        with start_agent(transport, str(program)) as session:
            hello = session.hello()
    return f"version {hello.agent_version}, answers"


def agent_for(board: Board) -> Path:
    """Our agent for a board, or its firmware."""
    from edgeprune.agents import build
    from edgeprune.firmware.build import built

    if board.agent.use == "firmware":
        return built(board.agent.target)
    return build.agent(board.agent.target)


def transports() -> Iterator[tuple[str, type[Transport] | None, str]]:
    """Every transport's name with the transport, or with None and why it cannot be used."""
    for name in TRANSPORTS.names():
        try:
            yield name, TRANSPORTS.get(name), ""
        except FAULTS as error:
            yield name, None, reason_of(error)


def flashers() -> Iterator[Check]:
    """What each flasher finds; what it needs is among the packages."""
    for name in FLASHERS.names():
        yield checked(f"debug probes ({name})", "flash", partial(_debug_probes, name), UDEV_RULES)


def _debug_probes(name: str) -> str:
    try:
        found = FLASHERS.get(name)().probes()
    except ConfigError as error:
        raise error.__cause__ or error from error
    return (
        ", ".join(f"{each.serial} ({each.name})" for each in found) or "works; none is plugged in"
    )


def bench(file: Path | None) -> tuple[Check, Bench]:
    """The bench file, and what it holds, which is nothing if it is wrong."""
    name = file or paths.config_folder() / "bench.toml"
    try:
        bench = load_bench(file)
    except FAULTS as error:
        return Check("bench.toml", "broken", reason_of(error), BENCH, f"correct {name}"), Bench()
    devices = (
        ", ".join(sorted(bench.devices)) or "no device" if name.is_file() else "none, which is fine"
    )
    return Check("bench.toml", "ok", devices, BENCH), bench


def board_files() -> str:
    """Board files are there, and the one for this machine is right."""
    load_board("local")
    return f"{len(board_names())} boards"


LLVM_FIX = install_hint(f"llvm-{llvm.MAJOR}")


def pipelines() -> str:
    """LLVM's models of pipelines say the cycles of code that the shipped table lacks."""
    if not llvm.is_installed():
        raise FileNotFoundError(
            f"llvm-mca-{llvm.MAJOR} is not installed: such code is taken at the mean of the rest"
        )
    (cycles,) = llvm.cycles_of([_RETURN], "cortex-a57")
    return f"llvm-mca-{llvm.MAJOR} works" if cycles else "says nothing of a known instruction"


def cycle_tables() -> str:
    """The shipped tables of pipelines and caches say what kernels take on every core they name."""
    known = [(name, cycle_costs(Cpu(name, "aarch64", ()))) for name in core_names()]
    if missing := [name for name, costs in known if costs is None]:
        raise ConfigError(f"nothing is known of kernels on {', '.join(missing)}")
    deciding = [name for name, costs in known if costs is not None and costs.core.fit.decides]
    return (
        f"times predicted for {len(known)} cores, decisions by cycles on {', '.join(deciding)}, "
        "by instructions elsewhere"
    )


_RETURN = bytes.fromhex("c0035fd6")
"""The instruction ``ret`` of aarch64."""


def folder(name: str, where: Callable[[], Path]) -> Check:
    """A folder that must take files and have room."""

    def look() -> str:
        folder = where()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < FREE_BYTES:
            raise ValueError(
                f"{folder}: {free_bytes / 1e6:.0f} MB free, wanted {FREE_BYTES / 1e6:.0f}"
            )
        return f"{folder}, {free_bytes / 1e9:.1f} GB free"

    return checked(name, EVERY_BOARD, look, "make room, or set EDGEPRUNE_HOME to another folder")
