"""Connecting and logging in over ssh, hop by hop, each hop's host key checked before any login.

Keys only: the ones named in bench.toml or OpenSSH's configuration, those that the ssh agent
holds, and the default ones. A password is sent only where bench.toml names its variable.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeprune.devices.links.ssh.config import Hop
from edgeprune.devices.links.ssh.host_keys import HostKey, trusted_key
from edgeprune.devices.links.ssh.proxy import CommandStream
from edgeprune.errors import ConfigError, DeviceError, DeviceTimeout, EdgepruneError, from_extra
from edgeprune.text.untrusted import one_line, reason_of

with from_extra("ssh", "ssh"):
    import paramiko
    from cryptography.exceptions import UnsupportedAlgorithm

KEEPALIVE_S = 15
SILENCE_S = 15
"""A device that acknowledges nothing for so long is gone. Source: ours; Wi-Fi that changes its
access point is silent for some seconds."""

BROKEN = (OSError, EOFError, paramiko.SSHException)
"""What paramiko raises when a connection is, or becomes, unusable."""


@contextlib.contextmanager
def odd_answers_as_errors() -> Iterator[None]:
    """Turns what paramiko lets through of an answer that ssh does not know into its own error.

    Its reading thread hands over whatever ended it: a KeyError for a number of a message that there
    is not, a UnicodeDecodeError for a text in it, a TypeError for a size.
    """
    try:
        yield
    except (EdgepruneError, *BROKEN):
        raise
    except Exception as error:
        kind = type(error).__name__
        raise paramiko.SSHException(f"what was sent is no ssh ({kind}: {error})") from error


# Without a handler of its own, paramiko's log would reach the user's terminal as tracebacks.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

Check = Callable[[Hop, HostKey], None]


def connect(route: Sequence[Hop], check: Check, *, log_in_last: bool = True) -> list[Any]:
    """Opens the way to a device.

    Args:
        route: Jump hosts first, the device last.
        check: Called with each host's key before anything secret is sent; raises to refuse it.
        log_in_last: False only exchanges keys with the device, to look at its host key.

    Returns:
        One ``paramiko.Transport`` a hop, in the order of ``route``.

    Raises:
        DeviceTimeout: A host did not answer in time.
        DeviceError: A host cannot be reached or refuses the login.
        HostKeyError: ``check`` refused a host key.
        ConfigError: A key file or the password's variable is missing.
    """
    opened: list[Any] = []
    try:
        for hop in route:
            opened.append(_handshake(hop, opened[-1] if opened else None))
            key = opened[-1].get_remote_server_key()
            check(hop, HostKey(key.get_name(), key.asbytes()))
            if hop is not route[-1] or log_in_last:
                _log_in(opened[-1], hop)
                opened[-1].set_keepalive(KEEPALIVE_S)
    except BaseException:
        disconnect(opened)
        raise
    return opened


def disconnect(opened: Sequence[Any]) -> None:
    """Closes the hops, the device's first."""
    for transport in reversed(opened):
        with contextlib.suppress(*BROKEN):
            transport.close()


def _handshake(hop: Hop, before: Any | None) -> Any:
    """A connection on which keys are exchanged and nobody is logged in yet."""
    stream = _stream(hop, before)
    try:
        with odd_answers_as_errors():
            transport = paramiko.Transport(stream)
            transport.banner_timeout = transport.handshake_timeout = hop.connect_timeout_s
            transport.auth_timeout = 3 * hop.connect_timeout_s  # some look the client up first
            _prefer(transport, trusted_key(hop.name))
            transport.start_client(timeout=hop.connect_timeout_s)
    except BROKEN as error:
        why = reason_of(error)
        if isinstance(stream, CommandStream) and (words := stream.last_words()):
            why += f"; its ProxyCommand says: {words}"
        stream.close()
        raise DeviceError(f"{hop.name} ({hop.address}): no ssh answers there: {why}") from error
    except BaseException:
        stream.close()
        raise
    if not transport.initial_kex_done:  # start_client returns silently when its time is up
        transport.close()
        raise DeviceTimeout(
            f"{hop.name} ({hop.address}): connected, but ssh did not answer within "
            f"{hop.connect_timeout_s:g} s"
        )
    return transport


def _stream(hop: Hop, before: Any | None) -> Any:
    target = (hop.host, hop.port)
    try:
        if before is None and hop.proxy_command is not None:
            return CommandStream.start(hop.proxy_command, hop.connect_timeout_s)
        if before is None:
            return _plain_stream(hop)
        origin = ("127.0.0.1", 0)
        with odd_answers_as_errors():
            return before.open_channel(
                "direct-tcpip", target, origin, timeout=hop.connect_timeout_s
            )
    except UnicodeError as error:  # what no name of a host may hold
        raise ConfigError(
            f"{hop.name}: {one_line(repr(hop.host), 80)} is neither a host's name nor an address"
        ) from error
    except TimeoutError as error:
        raise DeviceTimeout(
            f"{hop.name} ({hop.address}): no answer within {hop.connect_timeout_s:g} s; is it on, "
            "and is the address right?"
        ) from error
    except BROKEN as error:
        where = "" if before is None else " from the jump host"
        why = reason_of(error)
        raise DeviceError(f"{hop.name} ({hop.address}): cannot be reached{where}: {why}") from error


def _plain_stream(hop: Hop) -> _Stream:
    plain = socket.create_connection((hop.host, hop.port), timeout=hop.connect_timeout_s)
    stream = _Stream(fileno=plain.detach())
    stream.settimeout(hop.connect_timeout_s)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _notice_silence(stream)
    return stream


class _Stream(socket.socket):
    """A connection whose end by silence is no mere wait.

    Python has one error for both, and paramiko goes on waiting.
    """

    def recv(self, *arguments: Any) -> bytes:
        """As a socket's own."""
        with _silence_as_an_end():
            return super().recv(*arguments)

    def send(self, *arguments: Any) -> int:
        """As a socket's own."""
        with _silence_as_an_end():
            return super().send(*arguments)


@contextlib.contextmanager
def _silence_as_an_end() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        if error.errno == errno.ETIMEDOUT:
            words = f"no sign of life for {SILENCE_S} s; is it on, and still connected?"
            raise ConnectionAbortedError(errno.ETIMEDOUT, words) from error
        raise


def _notice_silence(stream: socket.socket) -> None:
    """Has the kernel end a connection whose other side acknowledges nothing for some seconds.

    Else a pulled cable is noticed only by the end of the wait for an answer. The other side's
    kernel answers, however busy its processes are. Source: Linux, tcp(7).
    """
    values = {
        "TCP_KEEPIDLE": SILENCE_S // 3,
        "TCP_KEEPINTVL": SILENCE_S // 3,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": 1000 * SILENCE_S,
    }
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in values.items():
        if hasattr(socket, name):  # not every system has all
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _prefer(transport: Any, known: HostKey | None) -> None:
    """Fast ciphers first, and the kind of host key that is known.

    AES-GCM needs no second pass for a MAC: it carries several times what paramiko's default does.
    A host has several host keys; asking for another kind than the trusted would look like a change.
    """
    options = transport.get_security_options()
    options.ciphers = sorted(options.ciphers, key=lambda cipher: "gcm" not in cipher)
    if known is not None:
        kind = "rsa-sha2" if known.type == "ssh-rsa" else known.type
        options.key_types = sorted(
            options.key_types, key=lambda offered: not offered.startswith(kind)
        )


def _log_in(transport: Any, hop: Hop) -> None:
    """Offers one key after the other, then the password if one is named."""
    tried: list[str] = []
    accepted: Sequence[str] = ("publickey",)
    with contextlib.closing(paramiko.Agent()) as agent:
        for label, key in _candidates(hop, agent, tried):
            tried.append(label)
            try:
                with odd_answers_as_errors():
                    is_done = not transport.auth_publickey(hop.user, key)
                if is_done:
                    return
                accepted = ("password",)  # the key counts, and the host wants a password too
            except paramiko.BadAuthenticationType as error:
                accepted = error.allowed_types
            except paramiko.AuthenticationException:
                continue
            except BROKEN as error:
                raise _refused(hop, tried, f"it hung up: {reason_of(error)}") from error
            break
    if hop.password_env is not None:
        _log_in_with_password(transport, hop)
        return
    if "publickey" in accepted:
        raise _refused(hop, tried, "it took none of them")
    wanted = one_line(" or ".join(accepted), 80)
    raise _refused(hop, tried, f"it wants {wanted}, and edgeprune sends keys only")


def _log_in_with_password(transport: Any, hop: Hop) -> None:
    password = os.environ.get(hop.password_env or "")
    if password is None:
        raise ConfigError(
            f"{hop.name}: password_env names {hop.password_env}, which is not set: "
            f"export {hop.password_env}=..."
        )
    try:
        with odd_answers_as_errors():
            wants_more = transport.auth_password(hop.user, password)
        if wants_more:
            raise DeviceError(f"{hop.name} ({hop.address}): wants more than a key and a password")
    except BROKEN as error:
        raise DeviceError(
            f"{hop.name} ({hop.address}): refused the password in {hop.password_env}: "
            f"{reason_of(error)}"
        ) from error


def _refused(hop: Hop, tried: Sequence[str], reason: str) -> DeviceError:
    offered = ", ".join(tried) or "no key, since none was found"
    return DeviceError(
        f"{hop.name} ({hop.address}): refused the login; offered {offered}; {reason}. Put your "
        "public key into the device's authorized_keys, or name the right one as `key` in "
        "bench.toml (or the variable with the password as `password_env`)"
    )


def _candidates(hop: Hop, agent: Any, tried: list[str]) -> Iterator[tuple[str, Any]]:
    """Keys to offer, each once, with a label for messages; unusable files go to ``tried``."""
    held = list(agent.get_keys())
    seen: set[bytes] = set()
    for path in hop.keys:
        key = _load_key(path, held, tried)
        if key is not None and key.asbytes() not in seen:
            seen.add(key.asbytes())
            yield str(path), key
    for key in () if hop.keys_only else held:
        if key.asbytes() not in seen:
            seen.add(key.asbytes())
            yield f"{key.fingerprint} of the ssh agent", key


def _load_key(path: Path, held: Sequence[Any], tried: list[str]) -> Any | None:
    """The key in ``path``; the agent's copy of it where the file has a passphrase."""
    if path.exists() and not path.is_file():  # to open a pipe would last for ever
        tried.append(f"{path} (is no file)")
        return None
    with contextlib.suppress(OSError, IndexError, ValueError):
        public = path.with_name(path.name + ".pub").read_text(encoding="utf-8").split()[1]
        for key in held:
            if key.get_base64() == public:
                return key
    try:
        return paramiko.PKey.from_path(path)
    except (paramiko.PasswordRequiredException, TypeError):
        # TypeError is what the cryptography library raises for a missing passphrase.
        tried.append(f"{path} (has a passphrase: run ssh-add {path})")
    except FileNotFoundError:
        tried.append(f"{path} (no such file)")
    except (OSError, ValueError, UnsupportedAlgorithm, *_KEY_FAULTS) as error:
        tried.append(f"{path} (not usable: {error})")
    return None


_KEY_FAULTS = (paramiko.SSHException, paramiko.pkey.UnknownKeyType)
