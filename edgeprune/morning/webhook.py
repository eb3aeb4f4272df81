"""The morning posted to a webhook, as chat services and own programs take it."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from edgeprune.errors import ConfigError, DeviceError
from edgeprune.files.read_file import read_text
from edgeprune.files.whole_file import shown
from edgeprune.morning.data import Morning
from edgeprune.morning.markdown import markdown

URL_VARIABLE = "EDGEPRUNE_WEBHOOK"
"""Holds the URL, which is a secret of its own with most services."""

TOKEN_VARIABLE = "EDGEPRUNE_WEBHOOK_TOKEN"
"""Holds a token that is sent as ``Authorization: Bearer``, where one is wanted."""

TIMEOUT_S = 20.0

_MAX_BYTES = 64 << 10
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Target:
    """Where to post. Both are secrets, and are never printed; only the host is.

    Attributes:
        url: The URL.
        token: Sent as ``Authorization: Bearer``; none if empty.
        named: What holds them, for messages.
    """

    url: str = field(repr=False)
    token: str = field(repr=False)
    named: str

    @property
    def parts(self) -> SplitResult:
        """The URL in parts.

        Raises:
            ConfigError: It is missing, or neither https nor of this machine.
        """
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urlsplit("")
        if not host or not (parts.scheme == "https" or _is_plain(parts)):
            raise ConfigError(f"{self.named}: must hold an https URL")
        return parts


def from_environment() -> Target:
    """The target that the environment names."""
    url, token = (os.environ.get(name, "").strip() for name in (URL_VARIABLE, TOKEN_VARIABLE))
    return Target(url, token, URL_VARIABLE)


def from_file(file: Path) -> Target:
    """The target that a file names: the URL in its first line, a token in its second.

    Raises:
        ConfigError: It cannot be read.
    """
    lines = [line.strip() for line in read_text(file, _MAX_BYTES).splitlines()]
    url, token, *_ = [*lines, "", ""]
    return Target(url, token, shown(file))


def post(morning: Morning, target: Target) -> None:
    """Posts the morning as JSON: ``text`` holds it as Markdown, ``morning`` as data.

    Redirects are not followed, since the token would go along.

    Raises:
        ConfigError: The URL is missing, or neither https nor of this machine.
        DeviceError: The service did not answer in time, or refused.
    """
    parts, host = target.parts, str(target.parts.hostname)
    is_plain = _is_plain(parts)
    body = {"text": markdown(morning), "morning": msgspec.to_builtins(morning)}
    headers = {"Content-Type": "application/json"}
    if target.token:
        headers["Authorization"] = f"Bearer {target.token}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        port = parts.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
            if is_plain
            else http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
        )
        try:
            connection.request("POST", path, json.dumps(body).encode(), headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        kind = type(error).__name__  # its text may hold the URL
        raise DeviceError(f"webhook at {host}: the morning was not delivered: {kind}") from None
    if not 200 <= status < 300:
        raise DeviceError(f"webhook at {host}: the morning was refused with status {status}")


def _is_plain(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname in _LOOPBACK
