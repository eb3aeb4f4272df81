"""``edgeprune devices``: what is on this desk, and whose host keys are trusted."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeprune.cli import farm_devices
from edgeprune.cli.farm_devices import state_line
from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.cli.words import BOARD, DEVICE
from edgeprune.devices.bench import load_bench, transport_of
from edgeprune.devices.device import Device
from edgeprune.devices.links.address import address_of, taken_apart
from edgeprune.devices.links.ssh.host_keys import (
    HostKey,
    check_host_key,
    trust_host_key,
    trusted_key,
)
from edgeprune.errors import ConfigError, HostKeyError
from edgeprune.text.untrusted import printable

if TYPE_CHECKING:
    from edgeprune.farm.desk import DeviceState

_bench_option = click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use.")


@click.group(epilog="Example: edgeprune devices list")
def devices() -> None:
    """List the devices on this desk, add one, trust its host key, take it from the farm."""


farm_devices.add_to(devices)


@devices.command("list", epilog="Example: edgeprune devices list --json")
@_bench_option
@json_option
def list_devices(bench: Path | None, as_json: bool) -> None:
    """List the devices of bench.toml, with the host key that is trusted for each.

    Below each stands how it is with the farm, where one has used it: whether it answers, who has
    it, and why it is in quarantine. Connects to none of them.
    """
    from edgeprune.farm.desk import names_of, states

    devices = load_bench(bench).devices.values()
    at_farm = states()
    of_bench = {one: device.name for device in devices for one in names_of(device.name)}
    others = [state for name, state in at_farm.items() if name not in of_bench]

    def state_of(device: Device) -> DeviceState | None:
        return next((at_farm[one] for one in names_of(device.name) if one in at_farm), None)

    if as_json:
        entries = [_entry(device, state_of(device)) for device in devices]
        print_json(entries + [_farm_entry(state) for state in others])
        return
    if not devices and not others:
        click.echo("no devices: bench.toml is missing or names none", err=True)
    for device in devices:
        key = _trusted(device)
        shown = f"{key.type} {key.fingerprint}" if key else "no host key trusted yet"
        own = " ".join(map(str, device.own.values()))
        where = device.host or device.serial or own or "this machine"
        click.echo(printable(f"{device.name:<15} {device.board:<15} {where:<23} "), nl=False)
        click.echo(shown if device.host and _has_host_key(device) else "")
        if state := state_of(device):
            click.echo(f"  farm: {state_line(state)}")
    for state in others:
        click.echo(printable(f"{state.device:<15} {state.board:<15} on {state.host}"))
        click.echo(f"  farm: {state_line(state)}")


@devices.command(epilog="Example: edgeprune devices add desk-pi --board rpi4 --host pi@10.0.0.7")
@click.argument("name")
@click.option("--board", required=True, type=BOARD, help="Kind of board it is.")
@click.option("--host", help="[USER@]ADDRESS[:PORT] or OpenSSH alias.")
@click.option("--serial", help="Serial number of a phone, as `adb devices` shows it.")
@click.option("--key", help="Private key file for the login.")
@click.option("--jump", help="Host to go through: [USER@]ADDRESS[:PORT].")
@_bench_option
@json_option
def add(name: str, bench: Path | None, as_json: bool, **keys: str | None) -> None:
    """Add the device NAME to bench.toml; what stands there already stays as it is."""
    from edgeprune.devices.bench_file import add_device

    file = add_device(name, keys, bench)
    if as_json:
        print_json({"name": name, "file": str(file)})
        return
    click.echo(f"{name} is in {file}")
    device = load_bench(file).devices[name]
    if device.host and _has_host_key(device):
        click.echo(f"next: edgeprune devices trust {name}")


@devices.command(epilog="Example: edgeprune devices trust desk-pi --fingerprint SHA256:2fQe...")
@click.argument("name", type=DEVICE)
@_bench_option
@click.option(
    "--host", help="[USER@]ADDRESS[:PORT] or OpenSSH alias; needed for a device outside bench.toml."
)
@click.option(
    "--fingerprint",
    "fingerprints",
    multiple=True,
    metavar="SHA256:...",
    help="Fingerprint to accept; may be given several times.",
)
@click.option("--yes", is_flag=True, help="Trust the keys that are shown without asking.")
@click.option("--replace", is_flag=True, help="Accept another key than the one trusted so far.")
@json_option
def trust(
    name: str,
    bench: Path | None,
    host: str | None,
    fingerprints: tuple[str, ...],
    yes: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Show the host key of device NAME, and of the jump hosts before it, and trust them.

    Compare the fingerprint with the one that the device itself shows:
    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. With --fingerprint (several if there are
    jump hosts) exactly these are accepted, and nothing is asked.
    """
    from edgeprune.devices.links.ssh.config import Hop, route_to
    from edgeprune.devices.links.ssh.login import connect, disconnect

    device = load_bench(bench).devices.get(name)
    if device is None:
        device = taken_apart(Device(board="", host=host or name))
        device = dataclasses.replace(device, name=name if host else address_of(device))
    elif not _has_host_key(device):
        raise ConfigError(f"{name} is a {device.board}, which is reached without a host key")
    elif host is not None:
        there = taken_apart(Device(device.board, host=host))
        user, port = there.user or device.user, there.port or device.port
        device = dataclasses.replace(device, host=there.host, user=user, port=port)
    decide = _decision(fingerprints, yes)
    seen: list[dict[str, str]] = []

    def check(hop: Hop, key: HostKey) -> None:
        address = f"{hop.host}:{hop.port}"
        known = trusted_key(hop.name)
        click.echo(f"{hop.name} ({address}): {key.type} {key.fingerprint}", err=as_json)
        if known is not None and known != key:
            click.echo(f"{hop.name}: trusted so far: {known.type} {known.fingerprint}", err=as_json)
            if not replace:
                check_host_key(hop.name, address, key, name)
        if known != key:
            decide(hop.name, key)
            trust_host_key(hop.name, key)
        click.echo(f"{hop.name}: {'already ' if known == key else ''}trusted", err=as_json)
        seen.append({"name": hop.name, "address": address} | _key_entry(key))

    disconnect(connect(route_to(device), check, log_in_last=False))
    if as_json:
        print_json(seen)


def _decision(fingerprints: tuple[str, ...], yes: bool) -> Callable[[str, HostKey], None]:
    """What is asked before a key is trusted; raises where the answer is no."""

    def decide(name: str, key: HostKey) -> None:
        if fingerprints:
            if key.fingerprint not in fingerprints:
                raise HostKeyError(
                    f"{name}: shows {key.fingerprint}, and --fingerprint says "
                    f"{' or '.join(fingerprints)}: not trusted"
                )
        elif not yes:
            if not sys.stdin.isatty():
                raise ConfigError(
                    f"{name}: there is no terminal to ask on: give --fingerprint "
                    f"{key.fingerprint} if that is what the device itself shows, or --yes"
                )
            if not click.confirm(f"{name}: is this the key that the device shows?", err=True):
                raise HostKeyError(f"{name}: not trusted, as you said")

    return decide


def _trusted(device: Device) -> HostKey | None:
    """The host key that is trusted for a device, or None."""
    if not device.host or not _has_host_key(device):
        return None
    from edgeprune.devices.links.ssh.config import host_key_name

    name = device.name
    with contextlib.suppress(ConfigError):  # which is told by what connects
        name = host_key_name(device)
    return trusted_key(name)


def _has_host_key(device: Device) -> bool:
    """Whether a host key is trusted for it; a wrong board is another command's business."""
    transport = transport_of(device.board)
    return transport is None or transport.has_host_key


def _entry(device: Device, state: DeviceState | None) -> dict[str, object]:
    key = _trusted(device)
    entry: dict[str, object] = dataclasses.asdict(device)
    farm = None if state is None else dataclasses.asdict(state)
    return entry | {"host_key": _key_entry(key) if key else None, "farm": farm}


def _farm_entry(state: DeviceState) -> dict[str, object]:
    """A device that the farm alone knows: this machine, or one of another host."""
    farm = dataclasses.asdict(state)
    return {"board": state.board, "name": state.device, "host_key": None, "farm": farm}


def _key_entry(key: HostKey) -> dict[str, str]:
    return {"type": key.type, "fingerprint": key.fingerprint}
