"""The way to a device over ssh: OpenSSH's own configuration, and bench.toml on top of it."""

from __future__ import annotations

import getpass
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeprune.devices.device import Device
from edgeprune.devices.links.address import parse_address
from edgeprune.errors import ConfigError, from_extra
from edgeprune.files.read_file import read_text

with from_extra("ssh", "ssh"):
    import paramiko

CONNECT_TIMEOUT_S = 10.0
SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_MOST_HOPS = 8


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
    """

    name: str
    host: str
    port: int
    user: str
    keys: tuple[Path, ...]
    keys_only: bool
    connect_timeout_s: float
    password_env: str | None = None

    @property
    def address(self) -> str:
        """``user@host:port``, for messages."""
        return f"{self.user}@{self.host}:{self.port}"


def route_to(device: Device) -> tuple[Hop, ...]:
    """Every machine to log in to, in order; the device is the last.

    ``~/.ssh/config`` and then ``/etc/ssh/ssh_config`` decide what bench.toml leaves open:
    HostName, User, Port, IdentityFile, IdentitiesOnly, ConnectTimeout and ProxyJump. ``Include``
    is not followed.

    Raises:
        ConfigError: The device has no host, or a configuration file cannot be understood.
    """
    if not device.host:
        raise ConfigError(f"device {device.name!r} has no host: add one to bench.toml, or --host")
    config = _read_config()
    options = _lookup(config, device.host)
    hop = _hop(
        device.name or device.host,
        options,
        user=device.user,
        port=device.port,
        key=device.key,
        password_env=device.password_env,
    )
    jumps = options.get("proxyjump") if device.jump is None else device.jump
    return (*_jumps(config, jumps, depth=0), hop)


def _jumps(config: Any, spec: str | None, depth: int) -> tuple[Hop, ...]:
    """The hosts of a ``ProxyJump`` value, and those before its first one.

    Source: ssh_config(5), ProxyJump: visited in the order given; only the first one's own
    ProxyJump counts, since the others are reached from their predecessor.
    """
    if not spec or spec.lower() == "none":
        return ()
    if depth >= _MOST_HOPS:
        raise ConfigError(f"ProxyJump {spec!r} leads in a circle, or past {_MOST_HOPS} hosts")
    hops: list[Hop] = []
    for number, part in enumerate(spec.split(",")):
        user, host, port = parse_address(part.strip())
        options = _lookup(config, host, is_jump=True)
        if number == 0:
            hops += _jumps(config, options.get("proxyjump"), depth + 1)
        name = host if port is None else f"{host}:{port}"
        hops.append(_hop(name, options, user=user, port=port))
    return tuple(hops)


def _hop(
    name: str,
    options: Any,
    *,
    user: str | None,
    port: int | None,
    key: str | None = None,
    password_env: str | None = None,
) -> Hop:
    keys = [key] if key is not None else options.get("identityfile", [])
    keys = [path for path in keys if path.lower() != "none"]
    default = [Path(os.path.expanduser("~")) / ".ssh" / file for file in DEFAULT_KEYS]
    timeout_s = _number(name, "ConnectTimeout", options.get("connecttimeout"), CONNECT_TIMEOUT_S)
    chosen = port or int(_number(name, "Port", options.get("port"), 22))
    if not 0 < chosen < 65536:
        raise ConfigError(f"{name}: port {chosen} must be 1 to 65535")
    return Hop(
        name=name,
        host=options["hostname"],
        port=chosen,
        user=user or options.get("user") or _login_name(name),
        keys=tuple(Path(os.path.expanduser(path)) for path in keys)
        or tuple(path for path in default if path.is_file()),
        keys_only=key is not None or options.get("identitiesonly", "no").lower() == "yes",
        connect_timeout_s=timeout_s,
        password_env=password_env,
    )


def _login_name(name: str) -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise ConfigError(f"{name}: this login has no name; give `user` in bench.toml") from error


def _number(name: str, key: str, text: str | None, default: float) -> float:
    if text is None or text.lower() == "none":
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise ConfigError(f"{name}: {key} {text!r} in the ssh configuration must be a number > 0")
    return float(text)


def user_config() -> str:
    """Says what stands in OpenSSH's own client file, if there is one.

    Raises:
        ConfigError: The file cannot be read as one.
    """
    file = Path(os.path.expanduser("~/.ssh/config"))
    if not file.exists():
        return "none, which is fine"
    return f"{file}, {len(hosts_in(file))} hosts"


def hosts_in(file: Path) -> set[str]:
    """Hosts that OpenSSH's configuration names.

    Raises:
        ConfigError: The file cannot be read as one.
    """
    try:
        return set(paramiko.SSHConfig.from_path(str(file)).get_hostnames()) - {"*"}
    except (paramiko.ConfigParseError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error


def _read_config() -> Any:
    """Both files as one ``paramiko.SSHConfig``; the user's comes first, and the first hit wins."""
    config = paramiko.SSHConfig()
    for path in (Path(os.path.expanduser("~")) / ".ssh" / "config", SYSTEM_CONFIG):
        try:
            if path.exists():
                config.parse(io.StringIO(read_text(path)))
        except (OSError, ValueError, paramiko.ConfigParseError) as error:
            raise ConfigError(f"{path}: cannot be read as ssh configuration: {error}") from error
    return config


def _lookup(config: Any, host: str, is_jump: bool = False) -> Any:
    try:
        options = config.lookup(host)
    except (paramiko.SSHException, ImportError, KeyError, ValueError) as error:
        # ImportError: `Match exec` needs a library that paramiko imports only then.
        raise ConfigError(f"ssh configuration of {host}: {error}") from error
    if options.get("proxycommand") is not None:
        kind = "jump host" if is_jump else "host"
        raise ConfigError(
            f"ssh configuration of {kind} {host}: ProxyCommand is not supported; use ProxyJump"
        )
    return options
