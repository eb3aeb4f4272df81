"""An address as people write it: ``[user@]host[:port]``, an IPv6 address bare or in brackets."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

from edgeprune.devices.device import Device
from edgeprune.errors import ConfigError
from edgeprune.text.untrusted import one_line

_FORM = re.compile(
    r"(?:ssh://)?(?:([^@\s/\[\]]+)@)?(?:\[([^\]\s]+)\]|([^:@\s/\[\]]+))(?::([0-9]{1,5}))?/?"
)
_MAX_PORT = 65535


def parse_address(text: str) -> tuple[str | None, str, int | None]:
    """User, host and port of an address; None for what it leaves open.

    Raises:
        ConfigError: It has another form, its port is none, or what stands in brackets is no IPv6
            address.

    >>> parse_address("ops@gate:2222")
    ('ops', 'gate', 2222)
    >>> parse_address("[fd00::1]:22"), parse_address("pi@fd00::1")
    ((None, 'fd00::1', 22), ('pi', 'fd00::1', None))
    """
    user, _, bare = text.rpartition("@")
    if _is_ipv6(bare) and not re.search(r"\s|@|^-", user):
        return user or None, bare, None
    match = _FORM.fullmatch(text)
    if match is None or (match[2] and not _is_ipv6(match[2])):
        shown = one_line(repr(text), 100)
        raise ConfigError(f"{shown} is no address: [user@]host[:port], an IPv6 address in brackets")
    host = match[2] or match[3]
    if host.startswith("-") or (match[1] or "").startswith("-"):
        raise ConfigError(f"{one_line(repr(text), 100)} is no address: a name begins with no dash")
    if match[4] and not 0 < int(match[4]) <= _MAX_PORT:
        raise ConfigError(f"{text}: port {match[4]} must be 1 to {_MAX_PORT}")
    return match[1], host, int(match[4]) if match[4] else None


def taken_apart(device: Device) -> Device:
    """The device with user and port out of its ``host``, where they stand there.

    Raises:
        ConfigError: ``host`` is no address, or says other than the device's own ``user`` or
            ``port``.
    """
    if device.host is None:
        return device
    user, host, port = parse_address(device.host)
    for key, said, own in (("user", user, device.user), ("port", port, device.port)):
        if said is not None and own is not None and said != own:
            raise ConfigError(f"{device.host} says {key} {said}, and `{key}` says {own}: give one")
    return replace(device, host=host, user=user or device.user, port=port or device.port)


def address_of(device: Device) -> str:
    """Host and port as one word, which names a device that the bench file does not name.

    >>> address_of(Device("rpi4", host="fd00::1", port=2222)), address_of(Device("rpi4", host="pi"))
    ('[fd00::1]:2222', 'pi')
    """
    if device.port is None:
        return device.host or ""
    host = f"[{device.host}]" if ":" in (device.host or "") else device.host
    return f"{host}:{device.port}"


def _is_ipv6(text: str) -> bool:
    """Whether it is an IPv6 address, with or without the interface that it is reached by."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
