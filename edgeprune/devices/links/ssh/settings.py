"""What OpenSSH's configuration says of a host: OpenSSH's own client is asked, where there is one.

So ``Include``, ``Match``, canonical names and whatever else ssh_config(5) knows hold as they do for
``ssh``. Where there is no such client, paramiko reads the files, which knows less.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeprune.devices.links.pipes import run_to_end
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.text.untrusted import one_line

SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_TIMEOUT_S = 30.0
"""For names that OpenSSH looks up, and commands of `Match exec`."""

_HOST = re.compile(r"[\w.:%][\w.:%-]{0,254}")
_USER = re.compile(r"[\w.+][\w.@+-]{0,254}")
"""What may take the place of %h and %r in a command of the configuration, which a shell runs."""


@dataclass(frozen=True)
class Settings:
    """How one host is reached.

    Attributes:
        hostname: Address or resolvable name.
        user: Login name; None where nothing names one.
        port: TCP port.
        identity_files: Private keys that are named, in order; tokens and ``~`` are not replaced.
        identities_only: Offer these alone.
        connect_timeout_s: Bound of connecting; None where nothing bounds it.
        proxy_jump: Hosts to go through, as ``ProxyJump`` spells them; None if there are none.
        proxy_command: Command whose input and output are the way to the host, tokens in place;
            None if there is none.
        host_key_alias: What its host key is kept under; None for its name.
    """

    hostname: str
    user: str | None
    port: int
    identity_files: tuple[str, ...] = ()
    identities_only: bool = False
    connect_timeout_s: float | None = None
    proxy_jump: str | None = None
    proxy_command: str | None = None
    host_key_alias: str | None = None


def settings_of(host: str, user: str | None = None, port: int | None = None) -> Settings:
    """Asks how a host is reached.

    Args:
        host: Address, name or alias, as for ``ssh``.
        user: Login name that goes before the configuration's; it counts for ``Match user``.
        port: TCP port that goes before the configuration's.

    Raises:
        ConfigError: The configuration cannot be understood, or the host's name could be taken for
            an option or for a shell's command.
    """
    if not _HOST.fullmatch(host):
        shown = one_line(repr(host), 100)
        raise ConfigError(f"{shown} is neither a host's name nor an address")
    safe_user = user if user is not None and _USER.fullmatch(user) else None
    program = openssh()
    if program is None:
        from edgeprune.devices.links.ssh.parser import read_options

        options = read_options(host, (_own_config(), SYSTEM_CONFIG))
    else:
        options = _ask(program, host, safe_user, port)
    return _checked(options, host, user, port)


@functools.cache
def openssh() -> str | None:
    """The path of OpenSSH's client, or None: other clients called ``ssh`` do not count."""
    program = shutil.which("ssh")
    if program is None:
        return None
    with contextlib.suppress(DeviceError):
        _, _, words = run_to_end([program, "-V"], _TIMEOUT_S)
        if "OpenSSH" in words:
            return program
    return None


def _ask(program: str, host: str, user: str | None, port: int | None) -> dict[str, list[str]]:
    """Each key of ``ssh -G`` with its values, in lower case as it prints them."""
    given = [*(("-l", user) if user else ()), *(("-p", str(port)) if port else ())]
    with _own_file() as file:
        try:
            code, output, words = run_to_end([program, *file, "-G", *given, "--", host], _TIMEOUT_S)
        except DeviceError as error:
            raise ConfigError(f"ssh configuration of {host}: {one_line(error)}") from error
    if code:
        said = one_line(words, 300) or f"`ssh -G` ended with {code}"
        raise ConfigError(f"ssh configuration of {host}: {said}")
    options: dict[str, list[str]] = {}
    for line in output.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key, []).append(value)
    return options


@contextlib.contextmanager
def _own_file() -> Iterator[Sequence[str]]:
    """Arguments that make OpenSSH read the configuration below ``HOME``.

    It takes the home folder out of the list of users; the two differ under some ``sudo``.
    """
    own = _own_config()
    if own.exists() and not own.is_file():
        raise ConfigError(f"{own}: cannot be read as ssh configuration: is no file")
    with contextlib.suppress(KeyError):
        if os.path.realpath(os.path.expanduser("~")) == os.path.realpath(
            pwd.getpwuid(os.getuid()).pw_dir
        ):
            yield ()
            return
    with tempfile.NamedTemporaryFile("w", prefix="edgeprune-ssh-", encoding="utf-8") as both:
        # `Host *` ends what a file before has begun.
        both.writelines(f'Host *\nInclude "{file}"\n' for file in (own, SYSTEM_CONFIG))
        both.flush()
        yield ("-F", both.name)


def _own_config() -> Path:
    return Path(os.path.expanduser("~")) / ".ssh" / "config"


def _checked(
    options: Mapping[str, list[str]], host: str, user: str | None, port: int | None
) -> Settings:
    """The settings, each checked: what a program printed is not trusted.

    Raises:
        ConfigError: A value is missing or impossible.
    """

    def text(key: str) -> str | None:
        value = options.get(key, [""])[0].strip()
        if not value.isprintable():
            shown = one_line(repr(value), 100)
            raise ConfigError(f"ssh configuration of {host}: {key} {shown} is no plain text")
        return value if value and value.lower() != "none" else None

    hostname = text("hostname") or host
    if not _HOST.fullmatch(hostname):
        shown = one_line(repr(hostname), 100)
        raise ConfigError(f"ssh configuration of {host}: HostName {shown} is no name of a host")
    if text("proxyusefdpass") == "yes":
        raise ConfigError(f"ssh configuration of {host}: ProxyUseFdpass is not supported")
    timeout_s = _number(host, "ConnectTimeout", text("connecttimeout"))
    files = [file.strip() for file in options.get("identityfile", [])]
    return Settings(
        hostname=hostname,
        user=user or text("user"),
        port=port or _port(host, text("port")),
        identity_files=tuple(file for file in files if file.lower() != "none"),
        identities_only=(text("identitiesonly") or "no").lower() in ("yes", "true"),
        connect_timeout_s=None if timeout_s is None else float(timeout_s),
        proxy_jump=text("proxyjump"),
        proxy_command=text("proxycommand"),
        host_key_alias=text("hostkeyalias"),
    )


def _port(host: str, text: str | None) -> int:
    port = _number(host, "Port", text) or 22
    if port > 65535:
        raise ConfigError(f"{host}: port {port} must be 1 to 65535")
    return port


def _number(host: str, key: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise ConfigError(f"{host}: {key} {text!r} in the ssh configuration must be a number > 0")
    return int(text)


def expand(text: str, tokens: Mapping[str, str]) -> str:
    """``text`` with OpenSSH's tokens replaced.

    Args:
        text: As it stands in the configuration.
        tokens: Letter after ``%`` to its value.

    Raises:
        ConfigError: A token is none of these. Source: ssh_config(5), TOKENS.

    >>> expand("nc %h %p 100%%", {"h": "gate", "p": "22"})
    'nc gate 22 100%'
    """

    def value(match: re.Match[str]) -> str:
        letter = match[1]
        if letter == "%":
            return "%"
        if letter not in tokens:
            raise ConfigError(f"ssh configuration: %{letter} in {one_line(text, 100)!r} is unknown")
        return tokens[letter]

    return re.sub(r"%(.?)", value, text)


def may_reach_a_shell(host: str, user: str) -> bool:
    """Whether neither holds a character that means something to a shell."""
    return bool(_HOST.fullmatch(host) and _USER.fullmatch(user))
