"""The way to a device over ssh: OpenSSH's own configuration, and bench.toml on top of it."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeprune.devices.device import Device
from edgeprune.devices.links.address import address_of, parse_address
from edgeprune.devices.links.ssh.settings import (
    Settings,
    expand,
    may_reach_a_shell,
    openssh,
    settings_of,
)
from edgeprune.errors import ConfigError

CONNECT_TIMEOUT_S = 10.0
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_MAX_HOPS = 8
_TRIED_KEYS = (
    "id_rsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_xmss",
    "id_dsa",
)
"""What `ssh -G` names where nothing else is named. Source: ssh_config(5), IdentityFile."""


@dataclass(frozen=True)
class Hop:
    """One machine on the way: a jump host, or at the end the device.

    Attributes:
        name: What its host key is kept under: the device's name, or the jump host as it is
            spelt in ``ProxyJump``, without the user.
        host: Address or resolvable name.
        port: TCP port.
        user: Login name.
        keys: Private key files to offer.
        keys_only: Offer ``keys`` alone, not whatever else the ssh agent holds.
        connect_timeout_s: Bound of connecting and of each step of logging in.
        password_env: Environment variable that holds the password; None refuses passwords.
        proxy_command: Command of OpenSSH's configuration whose input and output are the way to it;
            None connects by TCP.
    """

    name: str
    host: str
    port: int
    user: str
    keys: tuple[Path, ...]
    keys_only: bool
    connect_timeout_s: float
    password_env: str | None = None
    proxy_command: str | None = None

    @property
    def address(self) -> str:
        """``user@host:port``, for messages."""
        return f"{self.user}@{self.host}:{self.port}"


def route_to(device: Device) -> tuple[Hop, ...]:
    """Every machine to log in to, in order; the device is the last.

    OpenSSH's configuration decides what bench.toml leaves open (:mod:`settings`).

    Raises:
        ConfigError: The device has no host, or the configuration cannot be understood.
    """
    if not device.host:
        raise ConfigError(f"device {device.name!r} has no host: add one to bench.toml, or --host")
    settings = settings_of(device.host, device.user, device.port)
    jumps = settings.proxy_jump if device.jump is None else device.jump
    if device.jump is not None:  # which goes before a command as well
        settings = replace(settings, proxy_command=None)
    hop = _hop(_key_name(device, settings), device, settings)
    return (*_jumps(jumps, depth=0), hop)


def host_key_name(device: Device) -> str:
    """What the device's host key is kept under.

    Raises:
        ConfigError: OpenSSH's configuration cannot be understood.
    """
    if not device.host or device.name not in ("", address_of(device)):
        return device.name
    return _key_name(device, settings_of(device.host, device.user, device.port))


def _key_name(device: Device, settings: Settings) -> str:
    """The name that the bench gives the device; ``HostKeyAlias`` where it has none of its own."""
    if device.name not in ("", address_of(device)):
        return device.name
    return settings.host_key_alias or address_of(device)


def _jumps(spec: str | None, depth: int) -> tuple[Hop, ...]:
    """The hosts of a ``ProxyJump`` value, and those before its first one.

    Source: ssh_config(5), ProxyJump: visited in the order given; only the first one's own
    ProxyJump or ProxyCommand counts, since the others are reached from their predecessor.
    """
    if not spec or spec.lower() == "none":
        return ()
    if depth >= _MAX_HOPS:
        raise ConfigError(f"ProxyJump {spec!r} leads in a circle, or past {_MAX_HOPS} hosts")
    hops: list[Hop] = []
    for number, part in enumerate(spec.split(",")):
        user, host, port = parse_address(part.strip())
        settings = settings_of(host, user, port)
        if number == 0:
            hops += _jumps(settings.proxy_jump, depth + 1)
        else:
            settings = replace(settings, proxy_command=None)
        jump = Device(board="", host=host, user=user, port=port)
        hops.append(_hop(settings.host_key_alias or address_of(jump), jump, settings))
    return tuple(hops)


def _hop(name: str, device: Device, settings: Settings) -> Hop:
    """One machine on the way.

    Args:
        name: What its host key is kept under.
        device: The machine as bench.toml or a ``ProxyJump`` names it.
        settings: What OpenSSH's configuration says of it.
    """
    user = settings.user or _login_name(name)
    tokens = {
        "h": settings.hostname,
        "n": device.host or "",
        "p": str(settings.port),
        "r": user,
        "k": settings.host_key_alias or device.host or "",
    }
    home = os.path.expanduser("~")
    named = [device.key] if device.key is not None else settings.identity_files
    return Hop(
        name=name,
        host=settings.hostname,
        port=settings.port,
        user=user,
        keys=_keys(named, {**tokens, "d": home}) if named else _default_keys(),
        keys_only=device.key is not None or settings.identities_only,
        connect_timeout_s=settings.connect_timeout_s or CONNECT_TIMEOUT_S,
        password_env=device.password_env,
        proxy_command=_command(name, settings, tokens),
    )


def _keys(named: Sequence[str], tokens: Mapping[str, str]) -> tuple[Path, ...]:
    """Key files; those that OpenSSH tries if none is named may be missing."""
    local = {"u": getpass.getuser, "i": lambda: str(os.getuid()), "l": socket.gethostname}
    words = dict(tokens) | {letter: say() for letter, say in local.items()}
    files = [Path(os.path.expanduser(_variables(expand(name, words)))) for name in named]
    optional = {Path(os.path.expanduser("~")) / ".ssh" / name for name in _TRIED_KEYS}
    return tuple(file for file in files if file not in optional or file.is_file())


def _variables(text: str) -> str:
    """``text`` with ``${NAME}`` replaced. Source: ssh_config(5), ENVIRONMENT VARIABLES."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(f"ssh configuration: {text}: the variable {match[1]} is not set")
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)


def _default_keys() -> tuple[Path, ...]:
    folder = Path(os.path.expanduser("~")) / ".ssh"
    return tuple(folder / name for name in DEFAULT_KEYS if (folder / name).is_file())


def _command(name: str, settings: Settings, tokens: Mapping[str, str]) -> str | None:
    """The user's own command, with what takes the place of its tokens."""
    if settings.proxy_command is None:
        return None
    if not may_reach_a_shell(settings.hostname, tokens["r"]):
        raise ConfigError(
            f"{name}: the user {tokens['r']!r} would be part of its ProxyCommand, which a shell "
            "runs; letters, digits and . _ @ + - may be"
        )
    return expand(settings.proxy_command, tokens)


def _login_name(name: str) -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise ConfigError(f"{name}: this login has no name; give `user` in bench.toml") from error


def user_config() -> str:
    """Says what stands in OpenSSH's own client file, if there is one.

    Raises:
        ConfigError: The file cannot be read as one.
    """
    file = Path(os.path.expanduser("~/.ssh/config"))
    if not file.exists():
        return "none, which is fine"
    if openssh() is None:
        from edgeprune.devices.links.ssh.parser import hosts_in

        return f"{file}, {len(hosts_in(file))} hosts; `ssh` is not installed: Match may not hold"
    settings_of("localhost")
    with contextlib.suppress(ConfigError):  # OpenSSH may know more than paramiko, or it is missing
        from edgeprune.devices.links.ssh.parser import hosts_in

        return f"{file}, {len(hosts_in(file))} hosts"
    return str(file)
