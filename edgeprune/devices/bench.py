"""What is on this desk: ``bench.toml``, one table per device."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeprune.devices.boards import Board, board_names, load_board
from edgeprune.devices.device import Device, MeterTable
from edgeprune.devices.links.address import address_of
from edgeprune.devices.transports.base import TRANSPORTS, Transport
from edgeprune.energy.grid import WORLD, Grid
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.files.tables import read_table, read_toml
from edgeprune.registry import part_names
from edgeprune.text.near_names import did_you_mean, file_beside

_METERS = "edgeprune.meters"
_REACHING = ("host", "user", "port", "key", "jump", "serial", "password_env")
"""Keys of a device that its transport may or may not read."""
_PLACE = re.compile(r"\w[\w.:+-]{0,99}")
"""A place by its whole name: labgrid's client would take others for a pattern, or an option."""


@dataclass(frozen=True)
class Bench:
    """What is on this desk.

    Attributes:
        devices: All devices, by name.
        grid: Where the electricity is from; None takes the world's average.
    """

    devices: dict[str, Device] = field(default_factory=dict)
    grid: Grid | None = None


def load_bench(path: Path | None = None) -> Bench:
    """Reads ``path``, or ``bench.toml`` in the user's config folder if that exists.

    Raises:
        ConfigError: The file is wrong, or ``path`` was given and does not exist. All faults are in
            one message.
    """
    file = path or paths.config_folder() / "bench.toml"
    if path is None and not file.is_file():
        return Bench()
    if not file.exists():
        raise ConfigError(f"--bench {file}: no such file{file_beside(file)}")
    raw = read_toml(file)
    own, faults = _take_own_keys(raw)
    bench = read_table(Bench, raw, str(file))
    if bench.grid is not None and bench.grid.g_per_kwh <= 0:
        faults.append(f"grid.g_per_kwh must be > 0, got {bench.grid.g_per_kwh}")
    devices = {}
    for name, device in bench.devices.items():
        try:
            devices[name] = _checked(replace(device, name=name, own=own.get(name, {})))
        except ConfigError as error:
            faults.append(f"devices.{name}{error}")
    if faults:
        raise ConfigError(f"{file}: " + "; ".join(faults))
    return replace(bench, devices=devices)


def transport_of(board: str) -> type[Transport] | None:
    """How a board is reached; None where its file, or what reaching it needs, is missing or wrong.

    That is told by who uses the board: one wrong board must not keep others from being used.
    """
    try:
        return TRANSPORTS.get(load_board(board).transport.use)
    except ConfigError:
        return None


def _take_own_keys(raw: dict[str, object]) -> tuple[dict[str, dict[str, object]], list[str]]:
    """Takes the keys that one transport alone knows out of the devices' tables.

    Returns:
        For each device these keys with their values; and what is wrong with them.
    """
    taken: dict[str, dict[str, object]] = {}
    faults = []
    tables = raw.get("devices")
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if not isinstance(table, dict):
            continue  # which reading it as a table tells
        for key in ("name", "own", "epoch"):  # which we fill in ourselves
            if table.pop(key, None) is not None:
                faults.append(f"unknown key 'devices.{name}.{key}'")
        transport = transport_of(str(table.get("board")))
        for key, kind in transport.own_keys.items() if transport else ():
            if key not in table:
                continue
            value = table.pop(key)
            taken.setdefault(name, {})[key] = value
            if type(value) is not kind:
                faults.append(f"devices.{name}.{key} must be {kind.__name__}, got {value!r}")
    return taken, faults


def _checked(device: Device) -> Device:
    """The device with its address taken apart.

    Raises:
        ConfigError: A key of its table is wrong; the message begins with the key.
    """
    if device.board not in board_names():
        near = did_you_mean(device.board, board_names())
        raise ConfigError(f": no board is {device.board!r}{near}")
    if device.meter is not None and device.meter.use not in (known := part_names(_METERS)):
        near = did_you_mean(device.meter.use, known)
        raise ConfigError(f".meter.use: no meter is {device.meter.use!r}{near}")
    if device.port is not None and not 0 < device.port < 65536:
        raise ConfigError(f".port must be 1 to 65535, got {device.port}")
    if device.labgrid_place is not None and not _PLACE.fullmatch(device.labgrid_place):
        raise ConfigError(f".labgrid_place must be a place's name, got {device.labgrid_place!r}")
    transport = transport_of(device.board)
    if transport is None:
        return device
    for key in _REACHING:
        if getattr(device, key) is not None and key not in transport.bench_keys:
            use = load_board(device.board).transport.use
            others = ", ".join((*transport.bench_keys, *transport.own_keys)) or "no such key"
            raise ConfigError(f".{key}: a {device.board} is reached by {use}, which reads {others}")
    try:
        return transport.addressed(device)
    except ConfigError as error:
        raise ConfigError(f".host: {error}") from error


def choose_device(bench: Bench, board: Board, host: str | None) -> Device:
    """Picks the device to run on.

    Args:
        bench: What is on this desk.
        board: The board that the user named.
        host: ``--host``: a device's name in the bench, its serial number, or an address,
            ``[user@]host[:port]``, or OpenSSH alias.

    Raises:
        ConfigError: No device or several fit; the message says how to name one.
    """
    transport = TRANSPORTS.get(board.transport.use)
    if host is not None:
        return _named_device(bench, board, transport, host)
    fitting = [device for device in bench.devices.values() if device.board == board.name]
    if len(fitting) == 1:
        return fitting[0]
    if transport.shares_files or not (transport.needs_address or fitting):
        return Device(board=board.name, name=board.name)  # the only one that there is
    if fitting:
        names = ", ".join(device.name for device in fitting)
        raise ConfigError(f"several devices are a {board.name}: name one with --host: {names}")
    raise ConfigError(
        f"no device on this desk is a {board.name}: give --host ADDRESS, or add to "
        f'{paths.config_folder() / "bench.toml"}: [devices.NAME] board = "{board.name}" '
        f"{transport.bench_example}"
    )


def _named_device(bench: Bench, board: Board, transport: type[Transport], host: str) -> Device:
    """The device that ``--host`` names.

    Raises:
        ConfigError: It is one of another board, or no address.
    """
    serials = {device.serial: device for device in bench.devices.values()}
    named = bench.devices.get(host) or serials.get(host)
    if named is not None and named.board != board.name:
        raise ConfigError(f"device {host!r} is a {named.board}, not a {board.name}")
    if named is not None:
        return named
    if "host" not in transport.bench_keys:
        raise ConfigError(f"--host {host}: {board.name} has no address, leave out --host")
    try:
        device = transport.addressed(Device(board=board.name, host=host))
    except ConfigError as error:
        raise ConfigError(f"--host: {error}") from error
    return replace(device, name=address_of(device))


@dataclass(frozen=True)
class EnergyPlan:
    """What is to measure energy.

    Attributes:
        meters: The first one that is there is taken.
        is_named: The user named it, rather than the board.
        missing: Why there is none, where ``meters`` is empty.
        grid: Where the electricity is from.
    """

    meters: tuple[MeterTable, ...] = ()
    is_named: bool = False
    missing: str = ""
    grid: Grid = WORLD


def choose_meters(
    bench: Bench, board: Board, device: Device, named: str | None, g_per_kwh: float | None
) -> EnergyPlan:
    """Picks what measures energy: ``--meter``, else the device's meter, else the board's.

    Args:
        bench: What is on this desk.
        board: The board that the user named.
        device: The device to run on.
        named: ``--meter``: a meter's name, ``NAME:WHICH``, a CSV log, or ``none``.
        g_per_kwh: ``--grid-factor``, or None.

    Raises:
        ConfigError: The factor is impossible, or a meter is named for an emulated board.
    """
    grid = bench.grid or WORLD
    if g_per_kwh is not None:
        if not g_per_kwh > 0:
            raise ConfigError(f"--grid-factor must be > 0 g/kWh, got {g_per_kwh:g}")
        grid = Grid(g_per_kwh, "--grid-factor")
    if named == "none":
        return EnergyPlan((), True, "--meter none was given", grid)
    has_meter = named is not None or device.meter is not None
    if has_meter and TRANSPORTS.get(board.transport.use).emulated:
        what = "--meter" if named is not None else f"meter of {device.name} in the bench file"
        raise ConfigError(f"{board.name} is emulated and draws no power: leave out {what}")
    if named is not None:
        return EnergyPlan((_meter_of(named, device.meter),), True, "", grid)
    if device.meter is not None:
        return EnergyPlan((device.meter,), True, "", grid)
    missing = board.meters.missing or f"no meter is known for a {board.name}: name one with --meter"
    return EnergyPlan(tuple(MeterTable(use) for use in board.meters.use), False, missing, grid)


def _meter_of(named: str, table: MeterTable | None) -> MeterTable:
    """The meter that ``--meter`` names, with the rest of the device's own table if it is that."""
    use, _, at = ("csv", "", named) if named.endswith(".csv") else named.partition(":")
    if table is not None and table.use == use:
        return replace(table, at=at or table.at)
    return MeterTable(use, at or None)
