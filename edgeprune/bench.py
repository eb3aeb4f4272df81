"""What is on this desk: ``bench.toml``, one table per device."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeprune import paths
from edgeprune.board import Board
from edgeprune.errors import ConfigError
from edgeprune.tables import read_table, read_toml


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


@dataclass(frozen=True)
class Bench:
    """All devices on this desk, by name."""

    devices: dict[str, Device] = field(default_factory=dict)


def load_bench(path: Path | None = None) -> Bench:
    """Reads ``path``, or ``bench.toml`` in the user's config folder if that exists.

    Raises:
        ConfigError: The file is wrong, or ``path`` was given and does not exist.
    """
    file = path or paths.config_folder() / "bench.toml"
    if path is None and not file.is_file():
        return Bench()
    bench = read_table(Bench, read_toml(file), str(file))
    return Bench({name: replace(device, name=name) for name, device in bench.devices.items()})


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
