"""Whether a board's firmware can run a network, said by the host before anything is pushed."""

from __future__ import annotations

from edgeprune.devices.boards import Board, Cpu
from edgeprune.errors import ConfigError, ModelError
from edgeprune.firmware.encode import VERSION
from edgeprune.firmware.kernels import ISAS
from edgeprune.firmware.plan import Plan, compiled
from edgeprune.firmware.read import check_operators
from edgeprune.models.tflite import graph

_SCALAR = "scalar"


def isa_of_core(cpu: Cpu) -> str:
    """What kernels may use on a core: the last of :data:`ISAS` that is among its features."""
    return next((isa for isa in reversed(ISAS) if isa in cpu.features), _SCALAR)


def plan_for(tflite: bytes, board: Board) -> Plan:
    """The plan of a network for a board.

    Raises:
        ModelError: Firmware cannot run it, or it does not fit into the board's memory.
        ConfigError: The board's firmware runs plans of another version.
    """
    if board.runtime.version != str(VERSION):
        raise ConfigError(
            f"board {board.name}: runtime.version is {board.runtime.version!r}, and this edgeprune "
            f"makes plans of version {VERSION}"
        )
    try:
        plan = compiled(tflite, isa_of_core(board.cpu))
    except ModelError as error:
        raise ModelError(f"{board.name} cannot run the model: {error}") from error
    _check_memory(plan, board)
    return plan


def check_runnable(tflite: bytes, board: Board) -> None:
    """Refuses a network that a board's firmware cannot run.

    A float network is looked at as far as it can be before it is quantized: by its operators. One
    that is stored sparse is not: its weights have to come as float32 first, which the stage
    ``quantize`` asks for.

    Raises:
        ModelError: It cannot run there, or does not fit.
        ConfigError: As :func:`plan_for`.
    """
    model = graph.view(tflite)
    if graph.computes_on_integers(model):
        plan_for(tflite, board)
        return
    if any(graph.op_name(model, op) == "DENSIFY" for op in model.subgraphs[0].operators):
        return
    try:
        check_operators(model)
    except ModelError as error:
        raise ModelError(f"{board.name} cannot run the model: {error}") from error


def _check_memory(plan: Plan, board: Board) -> None:
    """Holds a plan against the whole of a board's memory; what the firmware leaves, it tells."""
    memory = board.memory
    if memory is None:
        return
    if plan.arena.bytes > memory.ram_bytes:
        raise ModelError(
            f"{board.name} cannot run the model: its arena takes {plan.arena.bytes:,} bytes of "
            f"RAM, the board has {memory.ram_bytes:,}: use a smaller input or fewer channels"
        )
    if memory.flash_bytes is not None and len(plan.data) > memory.flash_bytes:
        raise ModelError(
            f"{board.name} cannot run the model: its plan takes {len(plan.data):,} bytes of "
            f"flash, the board has {memory.flash_bytes:,}: prune it, or use fewer channels"
        )
