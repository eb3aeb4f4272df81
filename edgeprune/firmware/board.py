"""Whether a board's firmware can run a network, said by the host before anything is pushed."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.devices.boards import Board, Cpu
from edgeprune.errors import ConfigError, ModelError
from edgeprune.firmware.encode import VERSION
from edgeprune.firmware.kernels import ISAS
from edgeprune.firmware.plan import Plan, compiled
from edgeprune.firmware.read import check_operators
from edgeprune.models.tflite import graph

_SCALAR = "scalar"

REMEDIES = (
    "prune it (--sparsity 75%), use fewer channels (--pattern channel) or a smaller input, or give "
    "--data with the Keras model, and `edgeprune deploy` looks for a sparsity that fits"
)
"""What to do where a network is too large."""


@dataclass(frozen=True)
class Room:
    """What one network may take.

    Attributes:
        flash_bytes: Its plan, at most.
        ram_bytes: Its arena, at most.
        flash_limit: What limits the plan, as a sentence goes on: ``a slot of B holds``.
        ram_limit: What limits the arena, likewise.
    """

    flash_bytes: int
    ram_bytes: int
    flash_limit: str
    ram_limit: str


def room_of(board: Board) -> Room:
    """What a board's firmware leaves to a network.

    Raises:
        ConfigError: The board is no microcontroller, and says no such sizes.
    """
    memory = board.memory
    if memory is None or memory.plan_bytes is None or memory.arena_bytes is None:
        raise ConfigError(f"board {board.name}: memory.plan_bytes and arena_bytes are missing")
    slot, left = f"a slot of {board.name} holds", f"the firmware of {board.name} leaves"
    return Room(memory.plan_bytes, memory.arena_bytes, slot, left)


def whole_of(board: Board) -> Room:
    """What a program without our server may take.

    Raises:
        ConfigError: The board says no size of its flash.
    """
    memory = board.memory
    if memory is None or memory.flash_bytes is None:
        raise ConfigError(f"board {board.name}: memory.flash_bytes is missing")
    has = f"{board.name} has"
    return Room(memory.flash_bytes, memory.ram_bytes, has, has)


def limited(room: Room, max_size: int | None, max_memory: int | None) -> Room:
    """The room that is left where the user allows less: ``--max-size`` and ``--max-memory``."""
    flash, flash_limit = room.flash_bytes, room.flash_limit
    ram, ram_limit = room.ram_bytes, room.ram_limit
    if max_size is not None and max_size < flash:
        flash, flash_limit = max_size, "--max-size allows"
    if max_memory is not None and max_memory < ram:
        ram, ram_limit = max_memory, "--max-memory allows"
    return Room(flash, ram, flash_limit, ram_limit)


def excess(flash_bytes: int, ram_bytes: int, room: Room) -> str:
    """Why a network does not fit, with the sizes; empty if it does.

    >>> room = Room(10_000, 2_000, "a slot of b holds", "the firmware of b leaves")
    >>> excess(12_000, 2_000, room)
    'its plan takes 12,000 bytes of flash, and a slot of b holds 10,000'
    >>> excess(10_000, 2_000, room)
    ''
    """
    wrong = []
    if flash_bytes > room.flash_bytes:
        wrong.append(
            f"its plan takes {flash_bytes:,} bytes of flash, and {room.flash_limit} "
            f"{room.flash_bytes:,}"
        )
    if ram_bytes > room.ram_bytes:
        wrong.append(
            f"its arena takes {ram_bytes:,} bytes of RAM, and {room.ram_limit} {room.ram_bytes:,}"
        )
    return "; ".join(wrong)


def isa_of_core(cpu: Cpu) -> str:
    """What kernels may use on a core: the last of :data:`ISAS` that is among its features."""
    return next((isa for isa in reversed(ISAS) if isa in cpu.features), _SCALAR)


def compiled_for(tflite: bytes, board: Board) -> Plan:
    """The plan of a network for a board's core, whatever its size.

    Raises:
        ModelError: Firmware cannot run it.
        ConfigError: The board's firmware runs plans of another version.
    """
    if board.runtime.version != str(VERSION):
        raise ConfigError(
            f"board {board.name}: runtime.version is {board.runtime.version!r}, and this edgeprune "
            f"makes plans of version {VERSION}"
        )
    try:
        return compiled(tflite, isa_of_core(board.cpu))
    except ModelError as error:
        raise ModelError(f"{board.name} cannot run the model: {error}") from error


def plan_for(tflite: bytes, board: Board, room: Room | None = None) -> Plan:
    """The plan of a network for a board.

    Args:
        tflite: An int8 network.
        board: Where it is to run.
        room: What it may take; None takes what the board's firmware leaves.

    Raises:
        ModelError: Firmware cannot run it, or it does not fit.
        ConfigError: The board's firmware runs plans of another version.
    """
    plan = compiled_for(tflite, board)
    if wrong := excess(len(plan.data), plan.arena.bytes, room or room_of(board)):
        raise ModelError(f"{board.name} cannot run the model: {wrong}: {REMEDIES}")
    return plan


def check_runnable(tflite: bytes, board: Board, *, must_fit: bool = True) -> None:
    """Refuses a network that a board's firmware cannot run.

    A float network is looked at as far as it can be before it is quantized: by its operators. One
    that is stored sparse is not: its weights have to come as float32 first, which the stage
    ``quantize`` asks for.

    Args:
        tflite: The network.
        board: Where it is to run.
        must_fit: Whether its size matters.

    Raises:
        ModelError: It cannot run there, or does not fit.
        ConfigError: As :func:`plan_for`.
    """
    model = graph.view(tflite)
    if graph.computes_on_integers(model):
        _ = plan_for(tflite, board) if must_fit else compiled_for(tflite, board)
        return
    if any(graph.op_name(model, op) == "DENSIFY" for op in model.subgraphs[0].operators):
        return
    try:
        check_operators(model)
    except ModelError as error:
        raise ModelError(f"{board.name} cannot run the model: {error}") from error
