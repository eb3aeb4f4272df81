"""The morning posted to a webhook, as chat services and own programs take it."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from urllib.parse import urlsplit

import msgspec

from edgeprune.errors import ConfigError, DeviceError
from edgeprune.farm.morning.data import Morning
from edgeprune.farm.morning.markdown import markdown

URL_VARIABLE = "EDGEPRUNE_WEBHOOK"
"""Holds the URL, which is a secret of its own with most services."""

TOKEN_VARIABLE = "EDGEPRUNE_WEBHOOK_TOKEN"
"""Holds a token that is sent as ``Authorization: Bearer``, where one is wanted."""

TIMEOUT_S = 20.0

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def post(morning: Morning) -> None:
    """Posts the morning as JSON: ``text`` holds it as Markdown, ``morning`` as data.

    URL and token come from the environment and are never printed; only the host is. Redirects are
    not followed, since the token would go along.

    Raises:
        ConfigError: The URL is missing, or neither https nor of this machine.
        DeviceError: The service did not answer in time, or refused.
    """
    parts = urlsplit(os.environ.get(URL_VARIABLE, "").strip())
    host = parts.hostname
    is_plain = parts.scheme == "http" and host in _LOOPBACK
    if not host or not (parts.scheme == "https" or is_plain):
        raise ConfigError(f"{URL_VARIABLE}: must hold an https URL")
    body = {"text": markdown(morning), "morning": msgspec.to_builtins(morning)}
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get(TOKEN_VARIABLE, "").strip():
        headers["Authorization"] = f"Bearer {token}"
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
