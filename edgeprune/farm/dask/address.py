"""Where the farm listens, and that only this machine goes without TLS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from edgeprune.errors import ConfigError
from edgeprune.farm.dask.certificates import Certificates, checked_certificates

PORT = 8786
"""Source: Dask's own."""


@dataclass(frozen=True)
class Address:
    """Where the farm listens.

    Attributes:
        host: Address or name.
        port: TCP port.
        certificates: Who may connect, and as whom; None on this machine alone.
    """

    host: str
    port: int
    certificates: Certificates | None

    @property
    def scheme(self) -> str:
        """``tls`` or ``tcp``."""
        return "tcp" if self.certificates is None else "tls"

    @property
    def url(self) -> str:
        """As Dask writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def address_of(text: str, certificates: Path | None) -> Address:
    """Reads ``HOST[:PORT]``.

    Args:
        text: As the user wrote it.
        certificates: Folder of this host's certificate, or None.

    Raises:
        ConfigError: It is no address, it is not this machine and there is no certificate, or a
            certificate is wrong.
    """
    host, port = _split(text)
    if certificates is not None:
        return Address(host, port, checked_certificates(certificates))
    if not is_this_machine(host):
        raise ConfigError(
            f"{text} is not this machine alone, and whoever gets in could run code: give "
            "--certificates FOLDER, which `edgeprune farm certificates` makes"
        )
    return Address(host, port, None)


def is_this_machine(host: str) -> bool:
    """Whether an address is reached from this machine alone.

    >>> is_this_machine("127.0.0.1"), is_this_machine("::1"), is_this_machine("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: str) -> tuple[str, int]:
    """Host and port.

    >>> _split("lab0"), _split("10.0.0.1:9000"), _split("[::1]:9000"), _split("::1")
    (('lab0', 8786), ('10.0.0.1', 9000), ('::1', 9000), ('::1', 8786))

    Raises:
        ConfigError: It is none.
    """
    fault = ConfigError(f"{text!r} is no address: write HOST:PORT, as 10.0.0.1:{PORT}")
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else rest
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not host or any(letter.isspace() or letter in "/@\0" for letter in host):
        raise fault
    if not port:
        return host, PORT
    if not (port.isascii() and port.isdigit() and 0 <= int(port) <= 65535):
        raise fault
    return host, int(port)
