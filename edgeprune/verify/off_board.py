"""Verifying for a board that is not at hand: on its emulated twin, or on this machine.

A file is right on a board if the board's kernels are right, so only a device with the same core, or
with a core of the same kind and the same kernels, can stand in for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from edgeprune.agents import build, runtime
from edgeprune.agents.crew import usable_cores
from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.measurement import Parity
from edgeprune.devices.boards import Board, board_names, load_board, resolved_cpu
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS, CommandTransport, command_transport
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.conv_plan import own_layers
from edgeprune.models.tflite.state import has_state
from edgeprune.prediction import has_sparse_kernels
from edgeprune.verify.locate import Host
from edgeprune.verify.on_board import board_outputs, checked
from edgeprune.verify.parity import Comparison


def verify_off_board(
    comparison: Callable[[], Comparison],
    tflite: bytes,
    board: Board,
    say: Callable[[str], None],
    host: Host,
) -> tuple[Parity | None, str]:
    """Compares a file's outputs on what may stand in for a board.

    Args:
        comparison: Makes what the outputs must be, if anything is compared.
        tflite: The file.
        board: The board that the file is for.
        say: Takes a line of progress.
        host: Runs a file on the host.

    Returns:
        The parity and a remark on it that may be empty; or None and the reason in one line.

    Raises:
        DeviceError: The stand-in started, and failed.
        VerifyError: The outputs are wrong; the message names the layer where they first differ.
    """
    if not (has_sparse_constants(tflite) or own_layers(graph.view(tflite))):
        return None, (
            "outputs were not compared on the board's kernels: no weight is stored sparse, so that "
            "no sparse kernel runs"
        )
    opened, reason = _open(board)
    if opened is None:
        return None, (
            f"outputs were not compared on the board's kernels: {reason}; compare on the board "
            f"itself: edgeprune run FILE --board {board.name}"
        )
    transport, agent, library = opened
    wanted = comparison()
    is_shared = transport.emulated and not has_state(graph.view(tflite))
    processes = usable_cores() if is_shared else 1
    with closing(transport), tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        file = Path(folder) / "model.tflite"

        def infer(probe: bytes, samples: Samples) -> Samples:
            file.write_bytes(probe)
            return board_outputs(
                transport, str(agent), str(library.path), str(file), samples, processes
            )

        name = transport.board.name
        where = f"{name}, {library.label}"
        say(f"{len(wanted.samples)} inputs on {name}")
        parity = checked(wanted, infer(wanted.file, wanted.samples), where, infer, host)
    return parity, wanted.weakness()


def has_sparse_constants(tflite: bytes) -> bool:
    """Whether a weight is stored sparse, without which XNNPACK never runs a sparse kernel.

    Raises:
        ModelError: The file is damaged.
    """
    subgraphs = graph.view(tflite).subgraphs
    return any(tensor.sparsity is not None for graph_ in subgraphs for tensor in graph_.tensors)


def stand_ins(board: Board) -> list[Board]:
    """Boards that may stand in for ``board``, the best first; empty if there is none.

    A board that is this machine stands for itself, another one has an emulated twin, or this
    machine, if that has the same instruction set and sparse kernels if and only if the board has.
    """
    if TRANSPORTS.get(board.transport.use).shares_files:
        return [board]
    local = load_board("local")
    ours = resolved_cpu(local.cpu)
    is_alike = ours.isa == board.cpu.isa and has_sparse_kernels(ours) == has_sparse_kernels(
        board.cpu
    )
    emulated = twin(board)
    return ([] if emulated is None else [emulated]) + ([local] if is_alike else [])


def twin(board: Board) -> Board | None:
    """The emulated board with the same core and instruction set, or None."""
    core = board.cpu.core, board.cpu.isa
    return next(
        (other for other in emulated_boards() if (other.cpu.core, other.cpu.isa) == core), None
    )


def emulated_boards() -> Iterator[Board]:
    """Boards that this machine emulates.

    Those that cannot be read are passed over: they are another command's business.
    """
    for name in board_names():
        try:
            other = load_board(name)
            if TRANSPORTS.get(other.transport.use).emulated:
                yield other
        except ConfigError:
            continue


def _open(board: Board) -> tuple[tuple[CommandTransport, Path, runtime.RuntimeLibrary] | None, str]:
    """The first stand-in that can be started, with agent and runtime; or None and why not."""
    reason = f"no emulated board has a {board.cpu.core} core"
    for stand_in in stand_ins(board):
        transport = command_transport(stand_in, Device(stand_in.name, stand_in.name))
        try:
            agent = build.agent(stand_in.agent.target)
            library = runtime.library(stand_in.cpu.isa, board.runtime.version, board.runtime.sha256)
            transport.open()
        except DeviceError as error:
            reason = str(error)
            continue
        return (transport, agent, library), ""
    return None, reason
