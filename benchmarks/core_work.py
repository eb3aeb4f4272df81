"""What a file does on an emulated core, for its cycles to be estimated, kept in a folder."""

import contextlib
import dataclasses
import hashlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeprune.agents import build, runtime
from edgeprune.agents.session import AgentSession
from edgeprune.agents.start import start_agent
from edgeprune.artifacts.core_work import Cache, CoreWork
from edgeprune.devices.boards import Board, load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import WorkCount, command_transport
from edgeprune.measure.core_work import Counting, count_layers, count_work
from edgeprune.prediction.cycles import Core

TIMEOUT_S = 900.0


def board_of(core: str) -> Board:
    """An emulated board with that core, with the features of the nearest one that is shipped."""
    base = load_board("rpi4-emulated" if core in OLDER else "rpi5-emulated")
    return dataclasses.replace(base, cpu=dataclasses.replace(base.cpu, core=core))


OLDER = ("cortex-a53", "cortex-a72", "cortex-a73")
"""Cores of Armv8.0; the others are of Armv8.2, with half floats and 8-bit dot products."""


def work_of(file: Path, core: Core, kept: Path) -> CoreWork:
    """Counts one inference, or takes what an earlier call counted."""
    found: CoreWork = _kept(file, core, kept, "", count_work)
    return found


def layers_of(file: Path, core: Core, kept: Path) -> Sequence[tuple[str, CoreWork | None]]:
    """Counts every kernel of an inference, or takes what an earlier call counted."""
    found: Sequence[tuple[str, CoreWork | None]] = _kept(file, core, kept, " layers", count_layers)
    return found


def _kept(
    file: Path, core: Core, kept: Path, what: str, count: Callable[[Counting], object]
) -> Any:
    about = f"{hashlib.sha256(file.read_bytes()).hexdigest()} {core.name} {core.caches}{what}"
    place = kept / f"{hashlib.sha256(about.encode()).hexdigest()[:24]}.pickle"
    if place.is_file():
        return pickle.loads(place.read_bytes())
    with counting(file, core) as one:
        work = count(one)
    kept.mkdir(parents=True, exist_ok=True)
    place.write_bytes(pickle.dumps(work))
    return work


@contextlib.contextmanager
def counting(file: Path, core: Core, caches: Sequence[Cache] | None = None) -> Iterator[Counting]:
    """How a file's work is counted on an emulated core, by default with the core's caches."""
    board = board_of(core.name)
    program = str(build.agent(board.agent.target))
    library = str(runtime.library(board.cpu.isa, board.runtime.version).path)
    with command_transport(board, Device(board.name, board.name)) as transport:

        @contextlib.contextmanager
        def start(wanted: WorkCount) -> Iterator[AgentSession]:
            with start_agent(transport, program, work=wanted) as agent:
                yield agent

        def load(agent: AgentSession, path: str, profile: bool) -> object:
            return agent.load(library, path, profile=profile, timeout_s=TIMEOUT_S)

        yield Counting(start, load, file, core.caches if caches is None else caches, TIMEOUT_S)
