"""What is on this desk: ``bench.toml``, one table per device."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeprune.devices.boards import Board
from edgeprune.energy.grid import WORLD, Grid
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.files.tables import read_table, read_toml
from edgeprune.text.near_names import file_beside


@dataclass(frozen=True)
class MeterTable:
    """What measures the energy of one device.

    Attributes:
        use: Name of a file in ``edgeprune/meters``.
        at: Which one: a CSV file, a serial number or port, or the sensor's folder on the device;
            None takes the only one.
        rails: Labels of the channels to add up; empty takes the only one.
        voltage_v: Supply voltage, for a meter that knows only the current.
        zero: When a log's time 0 was: ISO 8601 or Unix seconds, for logs with relative times.
    """

    use: str
    at: str | None = None
    rails: tuple[str, ...] = ()
    voltage_v: float | None = None
    zero: str | None = None


@dataclass(frozen=True)
class Device:
    """One device of some kind of board.

    Attributes:
        board: Name of its board.
        name: Its table's name in ``bench.toml``; host keys are kept under it.
        host: Address or OpenSSH host alias; None where no network is crossed.
        user: Login name; None takes OpenSSH's.
        port: TCP port; None takes OpenSSH's.
        key: Private key file; None takes OpenSSH's and the agent's.
        jump: ``[user@]host[:port]`` to go through; None takes OpenSSH's ProxyJump.
        folder: Where pushed files go on the device; None takes the board's.
        cpus: Cores to pin the agent to; empty leaves it free.
        serial: Serial number as ``adb devices`` shows it; None takes the host's, or else the only
            phone that there is.
        password_env: Environment variable that holds the login password, for devices that know
            no keys; None refuses password logins.
        meter: The meter in its supply line; None takes the board's own.
    """

    board: str
    name: str = ""
    host: str | None = None
    user: str | None = None
    port: int | None = None
    key: str | None = None
    jump: str | None = None
    folder: str | None = None
    cpus: tuple[int, ...] = ()
    serial: str | None = None
    password_env: str | None = None
    meter: MeterTable | None = None


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
        ConfigError: The file is wrong, or ``path`` was given and does not exist.
    """
    file = path or paths.config_folder() / "bench.toml"
    if path is None and not file.is_file():
        return Bench()
    if not file.exists():
        raise ConfigError(f"--bench {file}: no such file{file_beside(file)}")
    bench = read_table(Bench, read_toml(file), str(file))
    if bench.grid is not None and bench.grid.g_per_kwh <= 0:
        raise ConfigError(f"{file}: grid.g_per_kwh must be > 0, got {bench.grid.g_per_kwh}")
    devices = {name: replace(device, name=name) for name, device in bench.devices.items()}
    return replace(bench, devices=devices)


def choose_device(bench: Bench, board: Board, host: str | None) -> Device:
    """Picks the device to run on.

    Args:
        bench: What is on this desk.
        board: The board that the user named.
        host: ``--host``: a device's name in the bench, its serial number, or an address or
            OpenSSH alias.

    Raises:
        ConfigError: No device or several fit; the message says how to name one.
    """
    if host is not None:
        serials = {device.serial: device for device in bench.devices.values()}
        named = bench.devices.get(host) or serials.get(host)
        if named is not None and named.board != board.name:
            raise ConfigError(f"device {host!r} is a {named.board}, not a {board.name}")
        return named or Device(board=board.name, name=host, host=host)
    fitting = [device for device in bench.devices.values() if device.board == board.name]
    if len(fitting) == 1:
        return fitting[0]
    if board.transport.use in ("local", "qemu") or (board.transport.use == "adb" and not fitting):
        return Device(board=board.name, name=board.name)  # with adb the only phone that there is
    if fitting:
        names = ", ".join(device.name for device in fitting)
        raise ConfigError(f"several devices are a {board.name}: name one with --host: {names}")
    raise ConfigError(
        f"no device on this desk is a {board.name}: give --host ADDRESS, or add to "
        f'{paths.config_folder() / "bench.toml"}: [devices.NAME] board = "{board.name}" '
        'host = "ADDRESS"'
    )


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
    if named is not None and board.kind == "emulated":
        raise ConfigError(f"{board.name} is emulated and draws no power: leave out --meter")
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
