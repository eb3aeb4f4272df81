"""The devices of the farm: those of the bench file, and those that this machine is or emulates."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

from edgeprune.devices.bench import Bench
from edgeprune.devices.boards import Board, load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS


@dataclass(frozen=True)
class FarmDevice:
    """One device of the farm.

    Attributes:
        name: By which the farm's tables know it: as the bench file calls it, with this host's name
            where it is this machine or runs on it, so that no two hosts mean the same; in a farm on
            several hosts with its host's name in any case.
        plain: As the bench file, or a plan, calls it.
        host: What ``--host`` must say to reach it, or None where there is only one.
        board: What it is.
        device: Its table of the bench file.
    """

    name: str
    plain: str
    host: str | None
    board: Board
    device: Device


def inventory(bench: Bench, boards: Iterable[str]) -> dict[str, FarmDevice]:
    """The devices of some boards, by name.

    Args:
        bench: What is on this desk.
        boards: Names of the boards.

    Raises:
        ConfigError: There is no such board, or its file is wrong.
    """
    devices = {}
    for name in dict.fromkeys(boards):
        board = load_board(name)
        for one in _of_board(bench, board):
            devices[one.name] = one
    return devices


def _of_board(bench: Bench, board: Board) -> list[FarmDevice]:
    transport = TRANSPORTS.get(board.transport.use)
    here = f"@{socket.gethostname()}" if transport.shares_files or transport.emulated else ""
    fitting = [device for device in bench.devices.values() if device.board == board.name]
    if fitting:
        return [FarmDevice(one.name + here, one.name, one.name, board, one) for one in fitting]
    if transport.needs_address:
        return []
    only = Device(board.name, name=board.name)
    if not (transport.shares_files or transport.emulated):
        return [FarmDevice(board.name, board.name, None, board, only)]
    return [FarmDevice(board.name + here, board.name, None, board, only)]
